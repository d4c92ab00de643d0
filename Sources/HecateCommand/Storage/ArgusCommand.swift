import Arguments
import ArgusStore
import HTTP
import Telemetry
import Wire

/// `hecate argus`: a store with Argus's HTTP interface, for one machine.
struct ArgusCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "argus",
        abstract: "Run an Argus-compatible store for one machine: in memory, or in one SQLite file.")

    @Arguments.Option(help: "Where to listen.")
    var listen = ":6600"

    @Arguments.Option(
        help: ArgumentHelp("The SQLite file for the items; by default they are in memory only.", valueName: "file"))
    var data: String?

    @Arguments.Option(
        help: ArgumentHelp("The required user:password; by default no authorization.", valueName: "user:password"))
    var auth: String?

    @Arguments.Option(help: ArgumentHelp("The pattern of owners.", valueName: "regex"))
    var ownerPattern = "^.{10,60}$"

    @Arguments.Option(
        help: ArgumentHelp("The maximum and default ttl.", valueName: "duration"))
    var longestTTL = "24h"

    @OptionGroup var log: LogOptions

    private static let largestItem = 1 << 20

    func run() async throws {
        let logger = log.bootstrap()
        guard let address = ListenAddress(listen) else {
            throw ValidationError("--listen: '\(listen)' is no address; write :6600 or 127.0.0.1:6600")
        }
        guard auth?.contains(":") ?? true else { throw ValidationError("--auth: user:password is expected") }
        guard let longest = GoDuration.parse(longestTTL), longest >= .seconds(1) else {
            throw ValidationError("--longest-ttl: '\(longestTTL)' is no duration such as 24h")
        }
        let settings: ArgusService.Settings
        do {
            settings = try ArgusService.Settings(
                auth: auth, ownerPattern: ownerPattern, maximumTTL: longest.components.seconds)
        } catch {
            throw ValidationError("--owner-pattern: '\(ownerPattern)' is no valid regular expression: \(error)")
        }
        let store: ItemStore
        do {
            store = try ItemStore(path: data)
        } catch {
            Console.error("error: the file '\(data ?? "")' cannot be used as a store: \(error)")
            throw ExitCode.failure
        }
        let service = ArgusService(store: store, settings: settings)
        let listener = HTTPListener(
            address: address, limits: HTTPLimits(bodyBytes: Self.largestItem), logger: logger,
            handler: { service.answer($0, $1) })
        let signals = ProcessSignals(logger: logger, stop: { await listener.stop() })
        let sweeper = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(60))
                store.sweep(now: .now())
            }
        }
        defer {
            sweeper.cancel()
            signals.cancel()
        }
        do {
            try await listener.run {
                logger.info("listening", metadata: ["address": "\(address)", "items": "\(data ?? "in memory")"])
            }
        } catch {
            Console.error("error: \(error)")
            throw ExitCode.failure
        }
    }
}
