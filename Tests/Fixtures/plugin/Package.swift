// swift-tools-version: 6.2
import PackageDescription

// A package outside that adds a sink in one file and builds a `hecate` of its own with it. In a real one the dependency has a
// URL and a version.
let package = Package(
    name: "keeper",
    dependencies: [.package(name: "hecate", path: "../../..")],
    targets: [
        .target(name: "KeepSink", dependencies: [.product(name: "PipelineKit", package: "hecate")]),
        .executableTarget(
            name: "keeper",
            dependencies: [
                "KeepSink", .product(name: "HecateCommand", package: "hecate"),
                .product(name: "Stages", package: "hecate"),
            ]),
        .testTarget(
            name: "KeepSinkTests", dependencies: ["KeepSink", .product(name: "StageTestKit", package: "hecate")]),
    ],
    swiftLanguageModes: [.v6]
)
