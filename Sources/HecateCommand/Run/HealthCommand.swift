import Arguments
import HTTP
import Wire

/// `hecate health`: checks a running gateway, for images without another HTTP client.
struct HealthCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Check whether a running gateway is alive, or with --ready whether it receives messages.",
        discussion: "Exits with 0 if it is, else with 1. For health checks of containers and units.")

    @Arguments.Option(help: "Its health listener, as in :6702 or 127.0.0.1:6702.") var address = ":6702"
    @Flag(help: "Check whether it is ready.") var ready = false

    func run() async throws {
        guard let address = ListenAddress(address) else {
            throw ValidationError("--address: '\(address)' is no address such as :6702")
        }
        // A wildcard address cannot be connected to; use the loopback address.
        let host =
            address.host == "0.0.0.0" ? "127.0.0.1" : address.host.contains(":") ? "[\(address.host)]" : address.host
        let url = "http://\(host):\(address.port)/\(ready ? "ready" : "health")"
        let answer: ClientResponse
        do {
            let request = ClientRequest("GET", try WebURL(url))
            answer = try await HTTPClient.with { client in
                try await client.execute(request, within: .seconds(2), body: .whole(64 << 10))
            }
        } catch {
            throw CommandFailure("it does not answer at \(address)")
        }
        let text = Console.printable(Array(answer.body.dropLast()).text)
        guard answer.status == 200 else { throw CommandFailure("it answers \(answer.status): \(text)") }
        print(text)
    }
}
