import CryptoExtras
import Foundation
import Locking
public import Wire
import X509

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

    private struct Certificate {
        let key: _RSA.Signing.PublicKey
        let validFrom: Timestamp
        let validUntil: Timestamp
        var lastUsed: UInt64
    }

    private struct State {
        var certificates: [String: Certificate] = [:]
        var fetches: [String: Task<Certificate, any Error>] = [:]
        /// URLs that gave no certificate, and until when they are not asked again.
        var failures: [String: (until: Timestamp, reason: String)] = [:]
        var uses: UInt64 = 0
    }

    private static let mostCertificates = 16
    private static let mostFetches = 4
    private static let mostFailures = 64
    private static let largestCertificate = 64 << 10
    private static let failurePause = Duration.seconds(10)

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
        guard envelope.signatureVersion == "1" || envelope.signatureVersion == "2" else {
            throw .forged("the SignatureVersion is neither 1 nor 2")
        }
        let certificate = try await certificate(at: envelope.signingCertURL)
        let now = now()
        guard certificate.validFrom <= now, now <= certificate.validUntil else {
            // There may be a newer one at the same place.
            state.withLock { $0.certificates[envelope.signingCertURL] = nil }
            throw .forged("the signing certificate is not valid at this time")
        }
        guard SNSSignature.isValid(envelope, key: certificate.key) else {
            throw .forged("the signature is not the signing certificate's")
        }
    }

    private func certificate(at url: String) async throws(Failure) -> Certificate {
        enum Next {
            case has(Certificate)
            case waits(Task<Certificate, any Error>)
            case fails(Failure)
        }
        let now = now()
        let next: Next = state.withLock { state in
            state.uses += 1
            if state.certificates[url] != nil {
                state.certificates[url]!.lastUsed = state.uses
                return .has(state.certificates[url]!)
            }
            guard policy.allows(url) else {
                return .fails(.forged("SigningCertURL is not on the list of trusted places"))
            }
            if let fetch = state.fetches[url] { return .waits(fetch) }
            if let failure = state.failures[url], failure.until > now { return .fails(.unavailable(failure.reason)) }
            guard state.fetches.count < Self.mostFetches else {
                return .fails(.unavailable("too many signing certificates are being fetched"))
            }
            let fetch = Task { try await self.fetch(url) }
            state.fetches[url] = fetch
            return .waits(fetch)
        }
        switch next {
        case .has(let certificate): return certificate
        case .fails(let failure): throw failure
        case .waits(let fetch):
            do {
                return try await fetch.value
            } catch let failure as Failure {
                throw failure
            } catch {
                throw .unavailable("the signing certificate cannot be fetched: \(error)")
            }
        }
    }

    private func fetch(_ url: String) async throws -> Certificate {
        let result: Result<Certificate, any Error>
        do {
            let response = try await transport.send(.init("GET", url), .seconds(5), Self.largestCertificate)
            guard response.status == 200 else {
                throw Failure.unavailable("the signing certificate cannot be fetched: status \(response.status)")
            }
            result = .success(try Self.parse(response.body))
        } catch {
            result = .failure(error)
        }
        state.withLock { state in
            state.fetches[url] = nil
            switch result {
            case .success(let certificate): Self.keep(certificate, url, &state)
            case .failure(let error):
                if state.failures.count >= Self.mostFailures { state.failures = [:] }
                state.failures[url] = (now() + Self.failurePause, "\(error)")
            }
        }
        return try result.get()
    }

    private static func keep(_ certificate: Certificate, _ url: String, _ state: inout State) {
        if state.certificates.count >= mostCertificates,
            let oldest = state.certificates.min(by: { $0.value.lastUsed < $1.value.lastUsed })?.key
        {
            state.certificates[oldest] = nil
        }
        var certificate = certificate
        certificate.lastUsed = state.uses
        state.certificates[url] = certificate
        state.failures[url] = nil
    }

    private static func parse(_ pem: [UInt8]) throws -> Certificate {
        do {
            let certificate = try X509.Certificate(pemEncoded: pem.text)
            guard let key = _RSA.Signing.PublicKey(certificate.publicKey) else {
                throw Failure.unavailable("the signing certificate has no RSA key")
            }
            return Certificate(
                key: key, validFrom: Timestamp(certificate.notValidBefore),
                validUntil: Timestamp(certificate.notValidAfter),
                lastUsed: 0)
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure.unavailable("what stands at SigningCertURL is no certificate")
        }
    }
}

extension Timestamp {
    fileprivate init(_ date: Date) { self.init(seconds: Int64(date.timeIntervalSince1970.rounded(.down))) }
}
