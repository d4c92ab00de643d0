// swift-tools-version: 6.2
import PackageDescription

/// `Tests/run --sanitize` says which sanitizer it builds with; Sources/Locking has to know.
let sanitizerSettings: [SwiftSetting] =
    Context.environment["HECATE_SANITIZER"] == "thread" ? [.define("THREAD_SANITIZER")] : []

/// Swift 6 mode for every module: an import is internal unless a public declaration needs it, members are visible only where their
/// module is imported, and no warning stays.
let settings: [SwiftSetting] =
    sanitizerSettings + [
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .treatAllWarnings(as: .error),
    ]

// `Tests/fuzz` builds with this, into a folder of its own: every module instrumented for libFuzzer, which brings its own `main`.
let isFuzzing = Context.environment["HECATE_FUZZ"] == "1"

let package = Package(
    name: "hecate",
    products: [
        .executable(name: "hecate", targets: ["hecate"]),
        .library(name: "PipelineKit", targets: ["PipelineKit"]),
        .library(name: "Telemetry", targets: ["Telemetry"]),
        .library(name: "HecateCommand", targets: ["HecateCommand"]),
        .library(name: "Stages", targets: ["Stages"]),
        .library(name: "StageTestKit", targets: ["StageTestKit"]),
    ],
    targets: [
        // Debian's libraries. `CHecateRE2` is C++ with a C interface.
        .systemLibrary(name: "CHecateYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CHecateZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CHecateSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CHecateSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CHecateLinux"),
        .target(name: "CHecateRE2", linkerSettings: [.linkedLibrary("re2")]),

        // The modules, in the order in which they build on each other. Sources/README.md says what lives in each.
        .target(name: "Locking", dependencies: ["CHecateLinux"], swiftSettings: settings),
        .target(name: "Patterns", dependencies: ["CHecateRE2", "Locking"], swiftSettings: settings),
        .target(name: "Wire", swiftSettings: settings),
        .target(name: "Telemetry", dependencies: ["Locking", "Wire"], swiftSettings: settings),
        .target(name: "Cryptography", dependencies: ["CHecateSSL", "Locking"], swiftSettings: settings),
        .target(name: "Database", dependencies: ["CHecateSQLite", "Locking"], swiftSettings: settings),
        .target(
            name: "HTTP", dependencies: ["CHecateLinux", "CHecateSSL", "Locking", "Telemetry", "Wire"],
            swiftSettings: settings),
        .target(name: "YAML", dependencies: ["CHecateYAML"], swiftSettings: settings),
        .target(name: "PipelineKit", dependencies: ["Locking", "Telemetry", "Wire"], swiftSettings: settings),
        .target(
            name: "PipelineFile", dependencies: ["YAML", "PipelineKit", "Locking", "Telemetry", "Wire"],
            swiftSettings: settings),
        .target(name: "Webhooks", dependencies: ["Wire", "Cryptography"], swiftSettings: settings),
        .target(name: "AWS", dependencies: ["Locking", "Wire", "HTTP", "Cryptography"], swiftSettings: settings),
        .target(
            name: "Spool", dependencies: ["Locking", "Wire", "PipelineKit", "Telemetry", "Database"],
            swiftSettings: settings),
        .target(
            name: "Stages",
            dependencies: [
                "AWS", "CHecateLinux", "CHecateZlib", "Cryptography", "HTTP", "Locking", "Patterns", "PipelineKit",
                "Spool", "Telemetry", "Webhooks", "Wire",
            ], swiftSettings: settings),
        .target(
            name: "ArgusStore",
            dependencies: ["Cryptography", "Database", "HTTP", "Locking", "Patterns", "Telemetry", "Wire"],
            swiftSettings: settings),
        .target(
            name: "Operations", dependencies: ["Locking", "Wire", "PipelineKit", "HTTP", "Telemetry"],
            resources: [
                .embedInCode("StatusPage/status.html"), .embedInCode("StatusPage/status.css"),
                .embedInCode("StatusPage/status.js"),
            ], swiftSettings: settings),
        .target(name: "Arguments", dependencies: ["Locking"], swiftSettings: settings),
        .target(
            name: "HecateCommand",
            dependencies: [
                "AWS", "Arguments", "ArgusStore", "Cryptography", "HTTP", "Locking", "Operations", "PipelineFile",
                "PipelineKit", "Spool", "Stages", "Telemetry", "Webhooks", "Wire",
            ], swiftSettings: settings),
        .target(
            name: "StageTestKit", dependencies: ["Locking", "PipelineFile", "PipelineKit", "Telemetry", "Wire"],
            swiftSettings: settings),
        .executableTarget(name: "hecate", dependencies: ["HecateCommand", "Stages"], swiftSettings: settings),

        // What tests and benchmarks share (`TestSupport` without HTTP, `TestServers` with it), and the tests of each module.
        .target(
            name: "TestSupport", dependencies: ["CHecateSSL", "Locking"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .target(
            name: "TestServers", dependencies: ["HTTP", "Locking", "Telemetry", "TestSupport", "Wire"],
            path: "Tests/TestServers", swiftSettings: settings),
        .executableTarget(
            name: "hecate-bench",
            dependencies: [
                "Arguments", "Cryptography", "HTTP", "Locking", "PipelineFile", "PipelineKit", "Stages", "Telemetry",
                "TestServers", "TestSupport", "Wire", "hecate",
            ], path: "Tests/Benchmarks", exclude: ["README.md"], swiftSettings: settings),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "AWS", "ArgusStore", "Cryptography", "HTTP", "Locking", "PipelineFile", "PipelineKit", "Stages",
                "Telemetry", "Webhooks", "Wire", "YAML",
            ], path: "Tests/Fuzz/Targets", swiftSettings: settings),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "LockingTests", dependencies: ["Locking", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "PatternsTests", dependencies: ["Patterns"], swiftSettings: settings),
        .testTarget(name: "TelemetryTests", dependencies: ["Locking", "Telemetry", "Wire"], swiftSettings: settings),
        .testTarget(
            name: "CryptographyTests", dependencies: ["CHecateSSL", "Cryptography", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(name: "DatabaseTests", dependencies: ["Database", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "YAMLTests", dependencies: ["YAML"], swiftSettings: settings),
        .testTarget(
            name: "PipelineKitTests", dependencies: ["Locking", "PipelineKit", "Telemetry", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(
            name: "PipelineFileTests",
            dependencies: ["PipelineFile", "PipelineKit", "Stages", "Telemetry", "TestSupport", "YAML"],
            swiftSettings: settings),
        .testTarget(
            name: "SpoolTests",
            dependencies: ["Database", "Locking", "PipelineKit", "Spool", "Telemetry", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(
            name: "HTTPTests",
            dependencies: ["CHecateSSL", "HTTP", "Locking", "Telemetry", "TestServers", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(
            name: "AWSTests",
            dependencies: ["AWS", "Cryptography", "HTTP", "Locking", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(
            name: "ArgusStoreTests",
            dependencies: ["ArgusStore", "HTTP", "Patterns", "TestServers", "TestSupport", "Wire"],
            swiftSettings: settings),
        .testTarget(
            name: "StagesTests",
            dependencies: [
                "AWS", "Cryptography", "HTTP", "Locking", "PipelineFile", "PipelineKit", "Spool", "StageTestKit",
                "Stages", "Telemetry", "TestServers", "TestSupport", "Webhooks", "Wire", "YAML",
            ], swiftSettings: settings),
        .testTarget(name: "ArgumentsTests", dependencies: ["Arguments"], swiftSettings: settings),
        .testTarget(
            name: "HecateCommandTests",
            dependencies: [
                "Arguments", "HecateCommand", "Locking", "PipelineFile", "PipelineKit", "Stages", "TestSupport",
            ], swiftSettings: settings),
        .testTarget(
            name: "OperationsTests", dependencies: ["HTTP", "Operations", "PipelineKit", "Telemetry"],
            swiftSettings: settings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "HTTP", "Locking", "Telemetry", "TestServers", "TestSupport", "Wire", "hecate", "hecate-bench",
            ], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

if isFuzzing {
    for target in package.targets where target.type == .regular && target.name != "CHecateRE2" {
        target.swiftSettings?.append(.unsafeFlags(["-sanitize=fuzzer"]))
    }
    package.products.append(.executable(name: "hecate-fuzz", targets: ["hecate-fuzz"]))
    package.targets.append(
        .executableTarget(
            name: "hecate-fuzz", dependencies: ["FuzzTargets", "Locking"], path: "Tests/Fuzz/LibFuzzer",
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]))
}
