import Arguments
import Glibc
import HTTP
import Locking
import PipelineFile
import PipelineKit
import Stages
import Webhooks
import Wire

/// An external list of registrations: a file, standard input, or a URL such as Tr1d1um's `/api/v2/hooks`.
struct RegistrationList: Sendable {
    /// A registration.
    struct Entry: Sendable {
        /// Its line, or its index in the array, starting at 1.
        var position: Int
        /// The record as it would be published.
        var record: [UInt8]
        /// `config.url`; nil if missing.
        var url: String?
        /// Whether Tr1d1um obfuscated the secret, so that this is not the registered record.
        var isObfuscated: Bool

        init(position: Int, record: [UInt8]) {
            self.position = position
            self.record = record
            url = (try? FieldPath("config.url")?.text(in: record)) ?? nil
            isObfuscated = (try? FieldPath("config.secret")?.text(in: record)) == Webhook.obfuscatedSecret
        }
    }

    /// The maximum size of a list.
    private static let maximumBytes = 256 << 20
    private static let timeout = Duration.seconds(60)

    /// Where it was read, for messages.
    let origin: String
    let entries: [Entry]

    /// Reads a list.
    ///
    /// - Parameters:
    ///   - origin: a URL, a file, or - for standard input.
    ///   - authorization: user:password or a bearer token, for a URL.
    /// - Throws: `ExitCode.failure` after reporting why it cannot be read.
    init(_ origin: String, authorization: ListAuthorization) async throws {
        self.origin = origin
        let bytes = try await Self.bytes(of: origin, authorization)
        entries = try Self.records(bytes, origin: origin).map { Entry(position: $0, record: Self.unwrapped($1)) }
    }

    private static func bytes(of origin: String, _ authorization: ListAuthorization) async throws -> [UInt8] {
        if origin.lowercased().hasPrefix("http://") || origin.lowercased().hasPrefix("https://") {
            return try await fetch(origin, authorization)
        }
        do {
            let file = try origin == "-" ? OpenFile.standardInput : OpenFile(reading: origin)
            return try file.readToEnd(atMost: maximumBytes)
        } catch let error as SystemError where error.code == EFBIG {
            throw CommandFailure("the list '\(origin)' is larger than \(maximumBytes) bytes")
        } catch {
            throw CommandFailure(
                "the list '\(origin)' cannot be read: check that it exists and its permissions",
                status: .badConfiguration)
        }
    }

    private static func fetch(_ url: String, _ authorization: ListAuthorization) async throws -> [UInt8] {
        var headers: HeaderFields = ["Accept": "application/json"]
        if let header = try authorization.header() { headers.add("Authorization", header) }
        let response: ClientResponse
        do {
            let request = ClientRequest("GET", try WebURL(url), headers: headers)
            response = try await HTTPClient.with { client in
                try await client.execute(request, within: timeout, body: .whole(maximumBytes))
            }
        } catch {
            throw CommandFailure("the list at \(url) cannot be fetched: \(error)")
        }
        switch response.status {
        case 200: return response.body
        case 401, 403:
            throw CommandFailure(
                "the list at \(url) returned status \(response.status): authenticate with --list-auth user:password"
            )
        default: throw CommandFailure("the list at \(url) returned status \(response.status)")
        }
    }

    /// Returns the registrations with their lines or indexes.
    static func records(_ bytes: [UInt8], origin: String) throws -> [(Int, [UInt8])] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let first = bytes.first { !$0.isWhitespace }
        let isSpread = lines.count > 1 && (try? JSONTree(parsing: Array(lines[0]))) == nil
        if first == UInt8(ascii: "["), isSpread || lines.filter({ !$0.isEmpty }).count == 1 {
            guard case .array(let elements)? = try? JSONTree(parsing: bytes) else {
                throw CommandFailure("'\(origin)' begins like a JSON array but is malformed")
            }
            return elements.enumerated().map { ($0 + 1, $1.bytes) }
        }
        return lines.enumerated().compactMap { index, line in
            line.allSatisfy(\.isWhitespace) ? nil : (index + 1, Array(line))
        }
    }

    /// Returns the record inside an Argus item (`data.Webhook`) or inside an entry of newer Tr1d1ums (`Webhook`).
    private static func unwrapped(_ bytes: [UInt8]) -> [UInt8] {
        guard let tree = try? JSONTree(parsing: bytes) else { return bytes }
        let data = tree["data"] ?? tree
        for key in ["Webhook", ItemSchema.wrpEventStream.rawValue] {
            if let record = data[key] { return record.bytes }
        }
        return bytes
    }
}

extension UInt8 {
    var isWhitespace: Bool { self == 0x20 || (0x09...0x0d).contains(self) }
}

extension RegistrationList.Entry {
    /// Returns the registration as a message published now.
    func message(of list: RegistrationList, attributes: [String: String], at time: Timestamp) -> Message {
        Message(
            id: "\(list.origin):\(position)", key: url, payload: Bytes(record), attributes: attributes,
            publishedAt: time,
            receivedAt: time)
    }
}
