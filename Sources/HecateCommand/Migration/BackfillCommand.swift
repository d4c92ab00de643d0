import Arguments
import Cryptography
import Glibc
import Locking
import PipelineFile
import PipelineKit
import Stages
import Telemetry
import Wire

/// `hecate backfill`: imports the existing registrations once.
struct BackfillCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "backfill",
        abstract: "Import the registrations from before the gateway was started.",
        discussion: """
            SNS keeps nothing: what was published before the gateway subscribed is known only to the Tr1d1ums and Caduceuses that heard it.
            Start the gateway first, then run their list through the same pipeline with this. An item that is in Argus already and lives
            longer is left alone, so that what the gateway writes meanwhile is never replaced by what the list knew.

            Run it against a Tr1d1um of the SNS era: newer ones leave secrets out of their list, and such registrations are refused here.
            What was interrupted is gone on with by the same command.
            """)

    @Arguments.Option(
        help: "The list: a URL such as http://tr1d1um:6100/api/v2/hooks, a file, or - for standard input.",
        completion: .file())
    var from: String
    @OptionGroup var listAuthorization: ListAuthorization
    @Arguments.Option(help: "The pipeline file.", completion: .file(extensions: ["yaml"])) var pipeline: String
    @OptionGroup var set: SettingArguments
    @OptionGroup var attributeArguments: AttributeArguments
    @Arguments.Option(help: "The maximum number of registrations per second.") var rate = 100.0
    @Arguments.Option(
        help: ArgumentHelp(
            "The file that records the progress, for continuing after an interruption; by default below ~/.local/state/hecate.",
            valueName: "file"))
    var state: String?
    @Flag(help: "Print what would be written; write nothing.") var dryRun = false
    @OptionGroup var log: QuietLogOptions

    func validate() throws {
        guard rate > 0, rate <= 1_000_000 else { throw ValidationError("--rate: expected a number above 0") }
    }

    func run() async throws {
        let logger = log.bootstrap()
        let list = try await RegistrationList(from, authorization: listAuthorization)
        let run = try MigrationPipeline(pipeline, settings: set.settings, logger: logger, isDryRun: dryRun)
        let done = dryRun ? nil : try BackfillState(path: state, from: from, pipeline: pipeline)
        let summary = BackfillSummary(list, isDone: { done?.contains($0) ?? false })
        let progress = Progress("backfilled", total: summary.pending.count)
        let source = RegistrationSource(
            list, entries: summary.pending, attributes: try attributeArguments.map(), rate: rate
        ) { entry, settlement in
            progress.advance()
            // Filtered registrations are not remembered: the filter may change until the next run.
            if settlement.isSuccess, settlement.name != "filtered" { done?.add(entry) }
        }
        let startedAt = ContinuousClock.now
        let wasStopped = try await run.run(source)
        progress.end()
        print(summary.text(outcomes: source.outcomes, duration: .now - startedAt))
        let isComplete =
            source.outcomes.count == summary.pending.count && source.outcomes.values.allSatisfy(\.isSuccess)
        if isComplete { done?.remove() }
        if source.outcomes.count < summary.pending.count || wasStopped {
            Console.error(dryRun ? "interrupted" : "interrupted: run the same command to continue")
        }
        guard isComplete, summary.obfuscated.isEmpty else { throw ExitCode.failure }
    }
}
