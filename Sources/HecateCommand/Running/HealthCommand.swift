import ArgumentParser
import AsyncHTTPClient
import HTTP

/// `hecate health`: asks a running gateway how it is, for images that have no other client.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask a running gateway whether it is alive, or with --ready whether it takes messages.",
        discussion: "Ends with 0 where it is, else with 1. For health checks of containers and units.")

    @ArgumentParser.Option(help: "Its health listener, as in :6702 or 127.0.0.1:6702.") var address = ":6702"
    @Flag(help: "Ask whether it is ready.") var ready = false

    func run() async throws {
        guard let address = ListenAddress(address) else {
            throw ValidationError("--address: '\(address)' is no address such as :6702")
        }
        // All addresses are listened on there; one of them is asked.
        let host =
            address.host == "0.0.0.0" ? "127.0.0.1" : address.host.contains(":") ? "[\(address.host)]" : address.host
        let url = "http://\(host):\(address.port)/\(ready ? "ready" : "health")"
        let answer: (status: UInt, text: String)
        do {
            answer = try await ShortClient.with { client in
                let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(2))
                return (response.status.code, String(buffer: try await response.body.collect(upTo: 64 << 10)))
            }
        } catch {
            throw CommandFailure("it does not answer at \(address)")
        }
        let text = Console.printable(String(answer.text.dropLast()))
        guard answer.status == 200 else { throw CommandFailure("it answers \(answer.status): \(text)") }
        print(text)
    }
}
