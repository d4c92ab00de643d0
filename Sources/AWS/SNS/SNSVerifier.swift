import Cryptography
import Locking
public import Wire

/// Decides whether an envelope comes from SNS: its signature, under a certificate from where SNS keeps its certificates.
///
/// Certificates are kept by URL, a bounded number of them, until they end; callers that need the same one at the same
/// time share one fetch. May be used from any thread.
public final class SNSVerifier: Sendable {
    /// Why an envelope is not believed, or cannot be judged.
    public enum Failure: Error, Equatable, CustomStringConvertible {
        /// It will never be believed.
        case forged(String)
        /// The certificate cannot be had now.
        case unavailable(String)

        /// The reason, for people.
        public var description: String {
            switch self {
            case .forged(let reason), .unavailable(let reason): reason
            }
        }
    }

    /// A certificate as it is kept.
    private struct CachedCertificate {
        let certificate: Certificate
        var lastUsed: UInt64
    }

    /// How the certificate of an envelope is come by.
    private enum Search {
        case found(Certificate)
        case fetching(Task<Result<Certificate, Failure>, Never>)
        case failed(Failure)
    }

    private struct State {
        var certificates: [String: CachedCertificate] = [:]
        var fetches: [String: Task<Result<Certificate, Failure>, Never>] = [:]
        /// URLs that gave no certificate, and until when they are not asked again.
        var failures: [String: (until: Timestamp, reason: String)] = [:]
        var uses: UInt64 = 0
    }

    private static let maximumCertificates = 16
    private static let maximumFetches = 4
    private static let maximumFailures = 64
    private static let maximumCertificateBytes = 64 << 10
    private static let failureDelay = Duration.seconds(10)

    private let policy: CertificateURLPolicy
    private let transport: HTTPTransport
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    /// A verifier that fetches through a transport what a policy allows.
    public init(
        policy: CertificateURLPolicy, transport: HTTPTransport, now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.policy = policy
        self.transport = transport
        self.now = now
    }

    /// Returns where the envelope's signature is good.
    ///
    /// - Throws: `Failure`.
    public func verify(_ envelope: SNSEnvelope) async throws(Failure) {
        let certificate: Certificate
        switch search(for: envelope) {
        case .found(let found): certificate = found
        case .failed(let failure): throw failure
        case .fetching(let fetch): certificate = try await fetch.value.get()
        }
        try judge(envelope, under: certificate)
    }

    /// Tells whether the envelope's signature is good.
    ///
    /// - Parameter done: called once. Where the certificate is at hand, or will not be fetched, before this returns and on the calling
    ///   thread; else later, when it has been fetched.
    public func verify(_ envelope: SNSEnvelope, done: @escaping @Sendable (Result<Void, Failure>) -> Void) {
        switch search(for: envelope) {
        case .found(let certificate): done(result(envelope, .success(certificate)))
        case .failed(let failure): done(.failure(failure))
        case .fetching(let fetch): Task { done(result(envelope, await fetch.value)) }
        }
    }

    private func result(
        _ envelope: SNSEnvelope, _ certificate: Result<Certificate, Failure>
    ) -> Result<Void, Failure> {
        Result { () throws(Failure) in try judge(envelope, under: try certificate.get()) }
    }

    private func judge(_ envelope: SNSEnvelope, under certificate: Certificate) throws(Failure) {
        let now = now()
        guard Timestamp(seconds: certificate.notBefore) <= now, now <= Timestamp(seconds: certificate.notAfter) else {
            // There may be a newer one at the same place.
            state.withLock { $0.certificates[envelope.signingCertURL] = nil }
            throw .forged("the signing certificate is not valid at this time")
        }
        guard SNSSignature.isValid(envelope, key: certificate.publicKey) else {
            throw .forged("the signature is not the signing certificate's")
        }
    }

    private func search(for envelope: SNSEnvelope) -> Search {
        guard envelope.signatureVersion == "1" || envelope.signatureVersion == "2" else {
            return .failed(.forged("the SignatureVersion is neither 1 nor 2"))
        }
        let url = envelope.signingCertURL
        let now = now()
        return state.withLock { state in
            state.uses += 1
            if let certificate = state.certificates[url]?.certificate {
                state.certificates[url]?.lastUsed = state.uses
                return .found(certificate)
            }
            guard policy.allows(url) else {
                return .failed(.forged("SigningCertURL is not on the list of trusted places"))
            }
            if let fetch = state.fetches[url] { return .fetching(fetch) }
            if let failure = state.failures[url], failure.until > now { return .failed(.unavailable(failure.reason)) }
            guard state.fetches.count < Self.maximumFetches else {
                return .failed(.unavailable("too many signing certificates are being fetched"))
            }
            let fetch = Task { await self.fetch(url) }
            state.fetches[url] = fetch
            return .fetching(fetch)
        }
    }

    private func fetch(_ url: String) async -> Result<Certificate, Failure> {
        let result: Result<Certificate, Failure>
        do {
            let response = try await transport.send(.init("GET", url), .seconds(5), Self.maximumCertificateBytes)
            result =
                response.status == 200
                ? Self.parse(response.body)
                : .failure(.unavailable("the signing certificate cannot be fetched: status \(response.status)"))
        } catch {
            result = .failure(.unavailable("the signing certificate cannot be fetched: \(error)"))
        }
        state.withLock { state in
            state.fetches[url] = nil
            switch result {
            case .success(let certificate): Self.cache(certificate, url, &state)
            case .failure(let failure):
                if state.failures.count >= Self.maximumFailures { state.failures = [:] }
                state.failures[url] = (now() + Self.failureDelay, "\(failure)")
            }
        }
        return result
    }

    private static func cache(_ certificate: Certificate, _ url: String, _ state: inout State) {
        if state.certificates.count >= maximumCertificates,
            let oldest = state.certificates.min(by: { $0.value.lastUsed < $1.value.lastUsed })?.key
        {
            state.certificates[oldest] = nil
        }
        state.certificates[url] = CachedCertificate(certificate: certificate, lastUsed: state.uses)
        state.failures[url] = nil
    }

    private static func parse(_ pem: [UInt8]) -> Result<Certificate, Failure> {
        do throws(CryptographyError) {
            return .success(try Certificate(pem: pem))
        } catch {
            switch error {
            case .malformed(let reason):
                return .failure(.unavailable("what stands at SigningCertURL is no certificate: \(reason)"))
            case .notRSA: return .failure(.unavailable("the signing certificate has no RSA key"))
            case .keySize(let bits):
                return .failure(.unavailable("the signing certificate's key has \(bits) bits, too few or too many"))
            }
        }
    }
}
