// swift-tools-version: 6.2
import PackageDescription

// A package outside whose graph has modules that are called as those of well-known packages: SwiftPM refuses two modules of one
// name, so Hecate must have none that is called so. Here they are a few lines; in a real package they come with swift-log,
// swift-metrics and swift-http-types.
let package = Package(
    name: "neighbours",
    dependencies: [.package(name: "hecate", path: "../../..")],
    targets: [
        .target(name: "Logging"),
        .target(name: "Metrics"),
        .target(name: "HTTPTypes"),
        .target(
            name: "Neighbour",
            dependencies: [
                "HTTPTypes", "Logging", "Metrics", .product(name: "PipelineKit", package: "hecate"),
                .product(name: "Telemetry", package: "hecate"),
            ]),
        .executableTarget(
            name: "neighbours",
            dependencies: [
                "Neighbour", .product(name: "HecateCommand", package: "hecate"),
                .product(name: "PipelineKit", package: "hecate"), .product(name: "Stages", package: "hecate"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
