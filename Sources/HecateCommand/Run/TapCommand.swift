import Arguments
import Glibc
import HTTP
import PipelineKit
import Wire

/// `hecate tap`: shows messages as they pass the stages of a running gateway.
struct TapCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "tap", abstract: "Show messages live as they pass the stages of a running gateway.",
        discussion: """
            Looks into a gateway of the same user on this machine, without holding it up: at most a hundred passages a second are shown, and
            how many were left out is said. The secrets of webhooks are masked. Ctrl-C ends it.
            """)

    @Arguments.Option(help: "The gateway's process; required if several run.") var pid: Int32?
    @Arguments.Option(help: "Only this pipeline.") var pipeline: String?
    @Arguments.Option(help: "Only this stage, source or sink.") var stage: String?
    @Arguments.Option(help: "Only this outcome: passed, filtered, refused, failed, delivered, transient, ...")
    var outcome: String?
    @Arguments.Option(help: "End after this many events.") var count: Int?
    @Flag(help: "Print a line of JSON each.") var json = false

    func run() async throws {
        let process = try self.process()
        let gateway = try WebURL.unix(socket: TapSocket.path(of: process))
        try await HTTPClient.with { try await show(process, gateway, $0) }
    }

    private func show(_ process: Int32, _ gateway: WebURL, _ client: HTTPClient) async throws {
        var last = try await fetch(gateway, client, after: .max).last
        if isatty(2) == 1 { Console.error("watching process \(process); press Ctrl-C to end") }
        var shown = 0
        while true {
            try await Task.sleep(for: .milliseconds(200))
            let (next, events) = try await fetch(gateway, client, after: last)
            var expected = last + 1
            for event in events {
                guard case .number(let text)? = event["number"], let number = Int(text) else { continue }
                if number > expected { Console.error("… \(number - expected) dropped") }
                expected = number + 1
                guard matches(event) else { continue }
                print(json ? event.bytes.text : Self.line(event))
                shown += 1
                if let count, shown >= count { return }
            }
            last = max(last, next)
            fflush(nil)
        }
    }

    private func process() throws -> Int32 {
        if let pid {
            guard access(TapSocket.path(of: pid), F_OK) == 0 else {
                Console.error("process \(pid) is no gateway of this user (looked for \(TapSocket.path(of: pid)))")
                throw ExitCode.failure
            }
            return pid
        }
        let processes = TapSocket.processes
        switch processes.count {
        case 1: return processes[0]
        case 0:
            Console.error("no gateway of this user is running (looked in \(TapSocket.folder))")
        default:
            let all = processes.map { "\($0)" }.joined(separator: ", ")
            Console.error("several gateways are running: choose one with --pid (\(all))")
        }
        throw ExitCode.failure
    }

    private func fetch(
        _ gateway: WebURL, _ client: HTTPClient, after number: Int
    ) async throws -> (last: Int, events: [JSONTree]) {
        do {
            let request = ClientRequest("GET", try gateway.at("/passages?after=\(number)"))
            let response = try await client.execute(request, within: .seconds(5), body: .whole(64 << 20))
            let tree = try JSONTree(parsing: response.body)
            guard case .number(let text)? = tree["last"], let last = Int(text),
                case .array(let events)? = tree["passages"]
            else { throw StageError("a malformed response") }
            return (last, events)
        } catch {
            Console.error("the gateway does not answer any more: \(error)")
            throw ExitCode.failure
        }
    }

    private func matches(_ event: JSONTree) -> Bool {
        func fits(_ wanted: String?, _ key: String) -> Bool { wanted.map { $0 == event[key]?.text } ?? true }
        return fits(pipeline, "pipeline") && fits(stage, "stage") && fits(outcome, "outcome")
    }

    private static func line(_ event: JSONTree) -> String {
        func text(_ key: String) -> String { Console.printable(event[key]?.text ?? "") }
        let time = text("time").split(separator: "T").last.map(String.init) ?? ""
        let reason = text("reason").isEmpty ? "" : "  (\(text("reason")))"
        return
            "\(time)  \(text("pipeline"))/\(text("stage"))  \(text("outcome"))  \(text("key"))\(reason)\n    \(text("payload"))"
    }
}
