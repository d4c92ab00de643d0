import Arguments
import PipelineFile
import PipelineKit
import Stages
import Telemetry
import Webhooks
import Wire

/// `hecate plan`: shows what a pipeline would do with a list of registrations.
struct PlanCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show which registrations of a list would migrate, with which result, and why others would not.",
        discussion: """
            The list is one registration a line (JSON Lines), or one JSON array, as Tr1d1um's GET /hooks answers it; - reads standard
            input. Each is taken as if it were published now (or at --now), and goes through the filters and transforms; nothing is sent.
            What is registered twice counts as the later one.
            """)

    @Argument(help: ArgumentHelp("The pipeline file.", valueName: "file"), completion: .file(extensions: ["yaml"]))
    var file: String
    @OptionGroup var set: SettingArguments
    @Arguments.Option(
        help: "The list of registrations: a file, - or a URL such as http://tr1d1um:6100/api/v2/hooks.",
        completion: .file())
    var input: String
    @OptionGroup var listAuthorization: ListAuthorization
    @Arguments.Option(help: "The time to use, as 2026-01-01T00:00:00Z; by default now.") var now: String?
    @OptionGroup var attributeArguments: AttributeArguments
    @Flag(help: "Print JSON: an array of decisions.") var json = false

    func run() async throws {
        let pipeline = try PipelineFile.loadOne(file, settings: set.settings).pipeline
        let time = try self.time()
        var diagnostics = Diagnostics()
        let logger = Logger(label: "hecate") { _ in SilentLogHandler() }
        guard let evaluation = pipeline.makeDryEvaluation(logger: logger, now: { time }, &diagnostics) else {
            for diagnostic in diagnostics.all { Console.error("error: \(diagnostic.message)") }
            throw ExitCode.badConfiguration
        }
        let list = try await RegistrationList(input, authorization: listAuthorization)
        let attributes = try attributeArguments.map()
        let progress = Progress("planned", total: list.entries.count)
        var plan = MigrationPlan()
        for entry in list.entries {
            let message = entry.message(of: list, attributes: attributes, at: time)
            plan.add(evaluation.evaluate(message), of: message, line: entry.position, at: time)
            progress.advance()
        }
        progress.end()
        print(json ? plan.json : plan.table)
    }

    private func time() throws -> Timestamp {
        guard let now else { return .now() }
        guard let time = RFC3339.parse(now) else {
            throw ValidationError("--now: '\(now)' is no date-time such as 2026-01-01T00:00:00Z")
        }
        return time.timestamp
    }
}
