import HTTP
import Locking
import PipelineKit
import Wire

/// A client for the items of an Argus bucket, used by everything that writes, reads, lists or deletes them. All calls
/// share its connections. Uses one of the addresses and fails over to the next when it does not answer. Thread-safe.
///
/// Protocol: Argus 0.9 and 0.11, `GET /api/v1/store/{bucket}`, and `GET`, `PUT` and `DELETE` of `/{id}` below it.
public final class ArgusClient: Sendable {
    /// The maximum size of a list of items.
    private static let maximumListBytes = 256 << 20
    /// The maximum size of an item.
    private static let maximumItemBytes = 1 << 20

    let bucket: ArgusBucket
    private let http: HTTPClient
    /// The header fields that all items of a sink share.
    private let itemFields: HeaderFields
    /// The paths of items without their ids, by the index of the address.
    private let paths: [String]
    private let current = Atomic<Int>(0)

    /// Makes a client. It connects with its first requests.
    ///
    /// - Parameter connections: the maximum number of connections to one address.
    /// - Throws: if a certificate file cannot be read.
    init(_ bucket: ArgusBucket, connections: Int = 8) throws {
        self.bucket = bucket
        http = try HTTPClient(bucket.tls.configuration(connections: connections))
        var fields: HeaderFields = ["Content-Type": "application/json"]
        if let constant = bucket.authorization.constant { fields.add("Authorization", constant) }
        itemFields = fields
        paths = bucket.stores.map { $0.path + "/" }
    }

    /// Closes the connections. Requests in flight fail with `HTTPClientError.shutDown`.
    func shutDown() async { await http.shutDown() }

    // MARK: - One exchange

    /// The index of the address in use.
    var address: Int { current.load(ordering: .relaxed) }

    /// Fails over to the next address, unless another request already did.
    func failOver(from address: Int) {
        guard paths.count > 1 else { return }
        _ = current.compareExchange(expected: address, desired: (address + 1) % paths.count, ordering: .relaxed)
    }

    /// Calls `done` with the header fields for an owner's items: at once, unless a token must be fetched.
    ///
    /// - Parameters:
    ///   - owner: the owner; empty for none.
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
    ///   - id: an id that needs no encoding in a path.
    ///   - fields: the result of `fields(of:)`.
    ///   - done: called once, on an event loop; must not block. Of the response only the status counts.
    func put(
        _ id: String, _ body: [UInt8], _ fields: HeaderFields, at address: Int,
        done: @escaping @Sendable (Result<ClientResponse, HTTPClientError>) -> Void
    ) {
        execute("PUT", paths[address] + id, fields, body, at: address, limit: HTTPOutcome.statusOnly, done: done)
    }

    /// Reads an item. Otherwise like `put`.
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

    /// Returns the outcome for a response. After a 401 a new token is fetched, because the old one may have been
    /// revoked.
    func outcome(of response: ClientResponse) -> WriteOutcome {
        if response.status == 401, bucket.authorization.refused() {
            return .transient(reason: "Argus refused the token", retryAfter: nil)
        }
        return HTTPOutcome.of(response, server: "Argus")
    }

    // MARK: - Lists, looks and deletions

    /// Lists the items of an owner; empty for none.
    ///
    /// - Throws: `StageError` if they cannot be listed.
    public func items(of owner: String) async throws -> ArgusBucket.Listing {
        try await mappingErrors { try await list(of: owner) }
    }

    /// Reads an item as an owner sees it.
    ///
    /// - Throws: `StageError` if it cannot be read.
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
                        throw StageError("Argus returned no valid item")
                    }
                    return .item(item)
                }
            }
        }
    }

    /// Deletes an item of an owner.
    ///
    /// - Returns: whether the item existed.
    /// - Throws: `StageError` if it could not be deleted.
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

    /// Lists the items of an owner at the first address that answers.
    ///
    /// - Throws: `StageError` for a response that is no list, `HTTPClientError` if no address answers,
    ///   `TokenSource.Failure` if there is no token.
    func list(of owner: String) async throws -> ArgusBucket.Listing {
        try await withFailover { try await list(of: owner, at: $0) }
    }

    /// Lists the items of an owner at one address.
    func list(of owner: String, at address: Int) async throws -> ArgusBucket.Listing {
        let asked = bucket.now()
        let response = try await call("GET", bucket.stores[address].path, owner, at: address)
        let answered = bucket.now()
        try check(response)
        guard case .array(let items) = try JSONTree(parsing: response.body) else {
            throw StageError(transient: "Argus returned no list of items")
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

    /// Tries the addresses one after the other until `body` succeeds with one.
    private func withFailover<Result: Sendable>(_ body: (Int) async throws -> Result) async throws -> Result {
        for _ in paths.dropFirst() {
            let address = address
            do {
                return try await body(address)
            } catch {
                // The error of the last address is thrown.
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

    /// Runs `body` and turns its errors into `StageError`s.
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
