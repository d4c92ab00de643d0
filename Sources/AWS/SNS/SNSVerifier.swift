import Cryptography
import Locking
public import Wire

/// Verifies that an envelope comes from SNS: its signature, with a certificate from a URL that the policy allows.
///
/// Caches a bounded number of certificates by URL until they expire. Concurrent callers share a fetch. Thread-safe.
public final class SNSVerifier: Sendable {
    /// Why an envelope is not authentic, or cannot be verified.
    public enum Failure: Error, Equatable, CustomStringConvertible {
        /// It will never be accepted.
        case forged(String)
        /// The certificate cannot be fetched now.
        case unavailable(String)

        public var description: String {
            switch self {
            case .forged(let reason), .unavailable(let reason): reason
            }
        }
    }

    /// A cached certificate.
    private struct CachedCertificate {
        let certificate: Certificate
        var lastUsed: UInt64
    }

    /// The state of the certificate that an envelope needs.
    private enum Search {
        case found(Certificate)
        case fetching(Task<Result<Certificate, Failure>, Never>)
        case failed(Failure)
    }

    private struct State {
        var certificates: [String: CachedCertificate] = [:]
        var fetches: [String: Task<Result<Certificate, Failure>, Never>] = [:]
        /// URLs without a certificate, and until when they are not fetched again.
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

    /// Makes a verifier that fetches certificates which a policy allows.
    public init(
        policy: CertificateURLPolicy, transport: HTTPTransport, now: @escaping @Sendable () -> Timestamp = { .now() }
    ) {
        self.policy = policy
        self.transport = transport
        self.now = now
    }

    /// Returns if the envelope's signature is valid.
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

    /// Verifies an envelope's signature.
    ///
    /// - Parameter done: called once: before this method returns, on the calling thread, if the certificate is cached
    ///   or will not be fetched; else later, when it was fetched.
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
            // The URL may have a newer certificate.
            state.withLock { $0.certificates[envelope.signingCertURL] = nil }
            throw .forged("the signing certificate is not valid at this time")
        }
        guard SNSSignature.isValid(envelope, key: certificate.publicKey) else {
            throw .forged("the signature does not match the signing certificate")
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
                return .failed(.forged("SigningCertURL is not a trusted URL"))
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
                return .failure(.unavailable("SigningCertURL returned no valid certificate: \(reason)"))
            case .notRSA: return .failure(.unavailable("the signing certificate has no RSA key"))
            case .keySize(let bits):
                return .failure(.unavailable("the signing certificate's key has \(bits) bits, too few or too many"))
            }
        }
    }
}
