import CHecateSSL
import Cryptography
import Foundation
import TestSupport
import Testing
import Wire

/// The certificates of Tests/Fixtures/certificates were made with `openssl genpkey` and `openssl req -x509 -days 36500`.
@Suite struct CertificateTests {
    private static func fixture(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: Fixtures.directory.appendingPathComponent("certificates/\(name)")))
    }

    private static let signer: TestKey = {
        do { return try TestKey() } catch { fatalError("no key can be made: \(error)") }
    }()

    private static func certificate(_ from: Date, _ until: Date) throws -> Certificate {
        let made = try TestCertificate(key: signer, validFrom: from, validUntil: until)
        return try Certificate(pem: Array(made.pem.utf8))
    }

    /// The second span is written as GeneralizedTime in the certificate, the last one begins before 1970.
    @Test(arguments: [
        (1_700_000_000, 1_800_000_000), (2_524_608_000, 253_402_300_799), (-631_152_000, 0),
    ])
    func datesAreRead(from: Int64, until: Int64) throws {
        let certificate = try Self.certificate(
            Date(timeIntervalSince1970: TimeInterval(from)), Date(timeIntervalSince1970: TimeInterval(until)))
        #expect(certificate.notBefore == from)
        #expect(certificate.notAfter == until)
        #expect(certificate.publicKey.bits == 2048)
    }

    @Test func theFirstOfSeveralCertificatesCounts() throws {
        let text =
            "some words before\n" + (try Self.fixture("rsa-8192.pem")).text + (try Self.fixture("rsa-2048.pem")).text
        #expect(try Certificate(pem: Array(text.utf8)).publicKey.bits == 8192)
        let ending = text.replacingOccurrences(of: "\n", with: "\r\n")
        #expect(try Certificate(pem: Array(ending.utf8)).publicKey.bits == 8192)
    }

    @Test func whatIsNoCertificateIsRefusedWithTheReason() throws {
        let good = try Self.fixture("rsa-2048.pem").text
        let key = Self.signer.pem
        let encrypted = good.replacingOccurrences(
            of: "-----BEGIN CERTIFICATE-----\n",
            with: "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,\(Self.hex(16))\n\n")
        let cases: [(String, String)] = [
            ("", "it is empty"), ("hello", "no start line"), (key, "no start line"),
            ("\0\u{1}\u{2}", "no start line"),
            (String(good.prefix(300)), "bad end line"),
            (good.replacingOccurrences(of: "MII", with: "M!I"), "bad base64"),
            (encrypted, "bad password read"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "wrong tag"),
            (String(repeating: "x", count: 70_000), "longer than 65536 bytes"),
        ]
        for (text, reason) in cases {
            #expect {
                try Certificate(pem: Array(text.utf8))
            } throws: { error in
                // The words are OpenSSL's; what counts is that they are there, and not those of another failure.
                guard case CryptographyError.malformed(let found)? = error as? CryptographyError else { return false }
                return found.contains(reason)
            }
            #expect(ERR_peek_error() == 0, "the queue of errors is empty")
        }
    }

    private static func hex(_ count: Int) -> String { String(repeating: "0A", count: count) }

    @Test(arguments: [
        ("rsa-1024.pem", CryptographyError.keySize(bits: 1024)), ("rsa-2047.pem", .keySize(bits: 2047)),
        ("rsa-8200.pem", .keySize(bits: 8200)), ("ec.pem", .notRSA), ("rsa-pss.pem", .notRSA),
        ("rsa-long-exponent.pem", .malformed(reason: "the exponent of the RSA key has 66 bits")),
    ])
    func keysThatCannotBeTrustedAreRefused(name: String, error: CryptographyError) throws {
        let pem = try Self.fixture(name)
        #expect(throws: error) { try Certificate(pem: pem) }
    }

    @Test func certificatesCutAnywhereAndChangedAnywhereDoNoHarm() throws {
        let good = try Self.fixture("rsa-2048.pem")
        for count in stride(from: 0, to: good.count, by: 7) { _ = try? Certificate(pem: Array(good[..<count])) }
        var generator = SeededGenerator(seed: 16)
        for _ in 0..<2000 {
            var changed = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                changed[Int.random(in: 28..<(good.count - 27), using: &generator)] =
                    Array("ABCDEFGHabcdefgh0123+/".utf8).randomElement(using: &generator) ?? 0
            }
            guard let certificate = try? Certificate(pem: changed) else { continue }
            #expect(RSAPublicKey.sizes.contains(certificate.publicKey.bits))
            #expect(!certificate.publicKey.isValid(signature: changed, for: good, digest: .sha256))
        }
        #expect(ERR_peek_error() == 0)
    }
}

@Suite struct SignatureTests {
    struct Vector: Decodable {
        var certificate, digest, message: String
        var signature: Data
    }

    private static func vectors() throws -> [(RSAPublicKey, RSAPublicKey.SignatureDigest, [UInt8], [UInt8])] {
        let folder = Fixtures.directory.appendingPathComponent("certificates")
        let data = try Data(contentsOf: folder.appendingPathComponent("signatures.json"))
        return try JSONDecoder().decode([Vector].self, from: data).map { vector in
            let pem = [UInt8](try Data(contentsOf: folder.appendingPathComponent(vector.certificate)))
            return (
                try Certificate(pem: pem).publicKey, vector.digest == "sha1" ? .sha1 : .sha256,
                Array(vector.message.utf8), [UInt8](vector.signature)
            )
        }
    }

    @Test func signaturesOfTheOpenSSLProgramAreBelieved() throws {
        let vectors = try Self.vectors()
        #expect(vectors.count == 3)
        for (key, digest, message, signature) in vectors {
            #expect(key.isValid(signature: signature, for: message, digest: digest))
        }
    }

    @Test func nothingElseIsBelieved() throws {
        for (key, digest, message, signature) in try Self.vectors() {
            var wrong: [[UInt8]] = [
                [], [0], Array(signature.dropLast()), Array(signature.dropFirst()), signature + [0], [0] + signature,
                signature.reversed(), [UInt8](repeating: 0, count: signature.count),
                [UInt8](repeating: 0xff, count: signature.count), [UInt8](repeating: 1, count: 100_000),
            ]
            for index in stride(from: 0, to: signature.count, by: 17) {
                var changed = signature
                changed[index] ^= 1
                wrong.append(changed)
            }
            for signature in wrong {
                #expect(!key.isValid(signature: signature, for: message, digest: digest))
                #expect(ERR_peek_error() == 0)
            }
            #expect(!key.isValid(signature: signature, for: message + [0], digest: digest))
            #expect(!key.isValid(signature: signature, for: [], digest: digest))
            #expect(!key.isValid(signature: signature, for: message, digest: digest == .sha1 ? .sha256 : .sha1))
            // A context that refused is as good as before.
            #expect(key.isValid(signature: signature, for: message, digest: digest))
        }
    }

    @Test func anotherKeysSignatureIsNotBelieved() throws {
        let (mine, others) = (try TestKey(), try TestKey())
        let key = try Certificate(pem: Array(try TestCertificate(key: mine).pem.utf8)).publicKey
        let message = Array("text".utf8)
        for isSHA1 in [true, false] {
            let digest: RSAPublicKey.SignatureDigest = isSHA1 ? .sha1 : .sha256
            #expect(key.isValid(signature: try mine.sign(message, isSHA1: isSHA1), for: message, digest: digest))
            #expect(!key.isValid(signature: try others.sign(message, isSHA1: isSHA1), for: message, digest: digest))
        }
    }

    @Test func manyThreadsAtOnceVerifyWithOneKey() throws {
        let signer = try TestKey()
        let key = try Certificate(pem: Array(try TestCertificate(key: signer).pem.utf8)).publicKey
        let messages = (0..<20).map { Array("message \($0)".utf8) }
        let signatures = try messages.map { try signer.sign($0) }
        DispatchQueue.concurrentPerform(iterations: 2000) { index in
            let (message, signature) = (index % 20, index / 20 % 20)
            let isValid = key.isValid(signature: signatures[signature], for: messages[message], digest: .sha256)
            #expect(isValid == (message == signature))
        }
    }
}
