import HTTP
import Locking
import PipelineKit
import Wire

/// Talks to Argus about the items of a bucket: the one client that everything uses which writes, reads, lists or deletes them. Its
/// connections are shared by all calls. Of several addresses one is asked; where it does not answer, the next is. May be used from any
/// thread.
///
/// Source of the protocol: Argus 0.9 and 0.11, `GET /api/v1/store/{bucket}`, `GET`, `PUT` and `DELETE` of `/{id}` in it.
public final class ArgusClient: Sendable {
    /// The largest list of items that is read.
    private static let maximumListBytes = 256 << 20
    /// The largest item that is read.
    private static let maximumItemBytes = 1 << 20

    let bucket: ArgusBucket
    private let http: HTTPClient
    /// The fields that are the same for every item that a sink writes.
    private let itemFields: HeaderFields
    /// The paths of items without their ids, by the number of the address.
    private let paths: [String]
    private let current = Atomic<Int>(0)

    /// A client; connections are made with its first requests.
    ///
    /// - Parameter connections: the most to one address.
    /// - Throws: where a certificate's file cannot be read.
    init(_ bucket: ArgusBucket, connections: Int = 8) throws {
        self.bucket = bucket
        http = try HTTPClient(bucket.tls.configuration(connections: connections))
        var fields: HeaderFields = ["Content-Type": "application/json"]
        if let constant = bucket.authorization.constant { fields.add("Authorization", constant) }
        itemFields = fields
        paths = bucket.stores.map { $0.path + "/" }
    }

    /// Closes the connections; what is under way fails as `HTTPClientError.shutDown`.
    func shutDown() async { await http.shutDown() }

    // MARK: - One exchange

    /// The number of the address that is asked now.
    var address: Int { current.load(ordering: .relaxed) }

    /// Lets the next request go to the next address, unless another has seen to it.
    func failOver(from address: Int) {
        guard paths.count > 1 else { return }
        _ = current.compareExchange(expected: address, desired: (address + 1) % paths.count, ordering: .relaxed)
    }

    /// Tells the header fields with which somebody's items are written and read: at once, unless a token has to be fetched.
    ///
    /// - Parameters:
    ///   - owner: empty for nobody.
    ///   - done: called once; must not block.
    func fields(of owner: String, done: @escaping @Sendable (Result<HeaderFields, TokenSource.Failure>) -> Void) {
        guard bucket.authorization.isFetched else { return done(.success(fields(itemFields, nil, owner))) }
        bucket.authorization.header(http) { [self] header in
            done(header.map { fields(itemFields, $0, owner) })
        }
    }

    private func fields(_ base: HeaderFields, _ authorization: String?, _ owner: String) -> HeaderFields {
        var fields = base
        if let authorization { fields.add("Authorization", authorization) }
        if !owner.isEmpty { for name in bucket.ownerHeaders { fields.add(name, owner) } }
        return fields
    }

    /// Writes an item.
    ///
    /// - Parameters:
    ///   - id: such as can stand in a path.
    ///   - fields: those that `fields(of:)` told.
    ///   - done: called once, on a loop; must not block. Of the answer only the status counts.
    func put(
        _ id: String, _ body: [UInt8], _ fields: HeaderFields, at address: Int,
        done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) {
        execute("PUT", paths[address] + id, fields, body, at: address, limit: HTTPOutcome.statusOnly, done: done)
    }

    /// Reads an item; otherwise as `put`.
    func get(
        _ id: String, _ fields: HeaderFields, at address: Int,
        done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) {
        execute("GET", paths[address] + id, fields, nil, at: address, limit: .whole(Self.maximumItemBytes), done: done)
    }

    private func execute(
        _ method: String, _ target: String, _ fields: HeaderFields, _ body: [UInt8]?, at address: Int,
        limit: BodyLimit, done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) {
        let url: WebURL
        do {
            url = try bucket.stores[address].at(target)
        } catch {
            return done(.failure(.invalidRequest(reason: "\(error)")))
        }
        let request = ClientRequest(method, url, headers: fields, body: body)
        http.execute(request, within: bucket.timeout, body: limit, done: done)
    }

    /// What an answer means. A token may have been revoked, so after a 401 another is fetched.
    func outcome(of response: ClientResponse) -> WriteOutcome {
        if response.status == 401, bucket.authorization.refused() {
            return .transient(reason: "Argus refused the token", retryAfter: nil)
        }
        return HTTPOutcome.of(response, server: "Argus")
    }

    // MARK: - Lists, looks and deletions

    /// The items of an owner; empty for nobody.
    ///
    /// - Throws: `StageError`: why they cannot be had.
    public func items(of owner: String) async throws -> ArgusBucket.Listing {
        try await mappingErrors { try await list(of: owner) }
    }

    /// An item by its id, as an owner sees it.
    ///
    /// - Throws: `StageError`: why that is not known.
    public func lookUp(_ id: String, as owner: String) async throws -> ArgusBucket.Lookup {
        try await mappingErrors {
            try await withFailover { address in
                let response = try await call("GET", paths[address] + id, owner, at: address)
                switch response.status {
                case 404: return .absent
                case 403: return .otherOwner
                default:
                    try check(response)
                    guard let item = ArgusBucket.Item(try JSONTree(parsing: response.body)) else {
                        throw StageError("Argus's answer is no item")
                    }
                    return .item(item)
                }
            }
        }
    }

    /// Deletes an item of an owner.
    ///
    /// - Returns: whether it was there.
    /// - Throws: `StageError`: why it could not be deleted.
    public func delete(_ id: String, of owner: String) async throws -> Bool {
        try await mappingErrors {
            try await withFailover { address in
                let response = try await call("DELETE", paths[address] + id, owner, at: address)
                if response.status == 404 { return false }
                try check(response)
                return true
            }
        }
    }

    /// The items of an owner, asked for at the address that answers.
    ///
    /// - Throws: `StageError` where Argus answered with something else; `HTTPClientError` where none of the addresses answers,
    ///   `TokenSource.Failure` where there is no token.
    func list(of owner: String) async throws -> ArgusBucket.Listing {
        try await withFailover { try await list(of: owner, at: $0) }
    }

    /// The items of an owner, asked for at one of the addresses.
    func list(of owner: String, at address: Int) async throws -> ArgusBucket.Listing {
        let asked = bucket.now()
        let response = try await call("GET", bucket.stores[address].path, owner, at: address)
        let answered = bucket.now()
        try check(response)
        guard case .array(let items) = try JSONTree(parsing: response.body) else {
            throw StageError(transient: "Argus's answer is no list of items")
        }
        return ArgusBucket.Listing(
            items: items.compactMap(ArgusBucket.Item.init), asked: asked, answered: answered)
    }

    private func call(
        _ method: String, _ target: String, _ owner: String, at address: Int
    ) async throws -> ClientResponse {
        let authorization = try await bucket.authorization.header(http)
        let request = ClientRequest(
            method, try bucket.stores[address].at(target), headers: fields([:], authorization, owner))
        return try await http.execute(request, within: bucket.timeout, body: .whole(Self.maximumListBytes))
    }

    private func check(_ response: ClientResponse) throws {
        switch outcome(of: response) {
        case .delivered, .expired, .superseded: return
        case .transient(let reason, _), .permanent(let reason): throw StageError(transient: reason)
        }
    }

    /// Asks one address after the other, each once, until one gives what it is asked for.
    private func withFailover<Result: Sendable>(_ body: (Int) async throws -> Result) async throws -> Result {
        for _ in paths.dropFirst() {
            let address = address
            do {
                return try await body(address)
            } catch {
                // Why is told of the last one.
                failOver(from: address)
            }
        }
        let address = address
        do {
            return try await body(address)
        } catch {
            failOver(from: address)
            throw error
        }
    }

    /// Runs `body` and says what it throws in words for people.
    private func mappingErrors<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        do {
            return try await body()
        } catch let error as HTTPClientError {
            throw StageError(transient: HTTPOutcome.noAnswerReason(error, server: "Argus"))
        } catch let error as TokenSource.Failure {
            throw StageError(transient: error.description)
        }
    }
}
