import TestSupport
import Testing
import Wire

@Suite struct WebURLTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var host: String
        var port: Int?
        var authority: String
        var target: String
        var testDescription: String { text }

        init(_ text: String, _ host: String, _ authority: String, _ target: String, port: Int? = nil) {
            (self.text, self.host, self.port, self.authority, self.target) = (text, host, port, authority, target)
        }
    }

    @Test(arguments: [
        Case("http://a", "a", "a", "/"),
        Case("http://a/", "a", "a", "/"),
        Case("HTTP://Argus.Example.COM/Path", "argus.example.com", "argus.example.com", "/Path"),
        Case("http://a:80/x", "a", "a", "/x", port: 80),
        Case("https://a:443/x", "a", "a", "/x", port: 443),
        Case("https://a:80/x", "a", "a:80", "/x", port: 80),
        Case("http://a:1", "a", "a:1", "/", port: 1),
        Case("http://a:65535", "a", "a:65535", "/", port: 65535),
        Case("http://a:00080/", "a", "a", "/", port: 80),
        Case("http://a?x=1", "a", "a", "/?x=1"),
        Case("http://a/?", "a", "a", "/?"),
        Case(
            "http://a/b/../c;d=e/%2F%zz?q=[x]&r=a%20b", "a", "a",
            "/b/../c;d=e/%2F%zz?q=[x]&r=a%20b"),
        Case("http://a//b?c?d/e@f:1", "a", "a", "//b?c?d/e@f:1"),
        Case("http://a_b-c.d1", "a_b-c.d1", "a_b-c.d1", "/"),
        Case("http://127.0.0.1:6600/api", "127.0.0.1", "127.0.0.1:6600", "/api", port: 6600),
        Case("http://[::1]", "::1", "[::1]", "/"),
        Case("https://[FE80::1]:8443/x", "fe80::1", "[fe80::1]:8443", "/x", port: 8443),
        Case("http://[::ffff:1.2.3.4]/", "::ffff:1.2.3.4", "[::ffff:1.2.3.4]", "/"),
        Case("http+unix://%2Frun%2Fa%20b.sock/x?y", "/run/a b.sock", "localhost", "/x?y"),
        Case("http+unix://%2Ftmp%2F%C3%A4", "/tmp/\u{e4}", "localhost", "/"),
    ])
    func partsOfAURL(example: Case) throws {
        let url = try WebURL(example.text)
        #expect(url.host == example.host)
        #expect(url.port == example.port)
        #expect(url.authority == example.authority)
        #expect(url.target == example.target)
        // What is written again reads the same.
        #expect(try WebURL(url.description) == url)
    }

    @Test func thePortToConnectTo() throws {
        #expect(try WebURL("http://a").effectivePort == 80)
        #expect(try WebURL("https://a").effectivePort == 443)
        #expect(try WebURL("https://a:6600").effectivePort == 6600)
    }

    @Test(arguments: [
        "", "a", "a:80", "//a", "http:", "http:/a", "http://", "https://", "http+unix://", "ftp://a", "ws://a",
        "http:a", " http://a",
        "http ://a",
        // Hosts.
        "http:///x", "http://?x", "http://:80", "http://a b/", "http://a\nb/", "http://a\r\nb/", "http://a\0b/",
        "http://a\tb/",
        "http://a%20b/", "http://a%00/", "http://a<b/", "http://a\"b/", "http://a|b/", "http://a\\b/", "http://a^b/",
        "http://a,b/",
        "http://a*b/", "http://a;b/", "http://a'b/", "http://{a}/", "http://b\u{fc}cher/", "http://a\u{7f}b/",
        "http://a\u{80}/",
        "http://\(String(repeating: "a", count: 256))/",
        // User information and fragments.
        "http://user@a/", "http://user:secret@a/", "http://@a/", "http://a#f", "http://a/#", "http://a/x?y#z",
        // Ports.
        "http://a:", "http://a:/", "http://a:0/", "http://a:65536/", "http://a:99999/", "http://a:100000/",
        "http://a:-1/", "http://a:+1/",
        "http://a:1a/", "http://a: 1/", "http://a:1:2/", "http://a:\u{661}/", "http://a:000080/",
        // IPv6 addresses.
        "http://[", "http://[]", "http://[]/", "http://[::1", "http://[::1/x", "http://::1/", "http://[::1]x/",
        "http://[::1]80/",
        "http://[::1]:/", "http://[::1]:0", "http://[::1]:65536", "http://[a]/", "http://[g::1]/", "http://[:]/",
        "http://[:::]/", "http://[1::2::3]/", "http://[12345::]/", "http://[1:2:3]/", "http://[1.2.3.4]/",
        "http://[fe80::1%25eth0]/", "http://x[::1]/",
        "http://[[::1]]/", "http://[::1 ]/", "http://[v1.x]/", "http://a]/",
        // The rest.
        "http://a/x y", "http://a/x\n", "http://a/\0", "http://a/\u{e4}", "http://a/?\u{e4}", "http://a/x\u{7f}",
        "http://a/\(String(repeating: "x", count: 8192))",
        // Sockets.
        "http+unix:///run/x.sock", "http+unix://%2Frun%2/x", "http+unix://%2Frun%0/x", "http+unix://%2Frun%gg/x",
        "http+unix://%00/", "http+unix://%2F%FF/",
        "http+unix://%2Fa%00b/", "http+unix://%2F\(String(repeating: "a", count: 107))/",
    ])
    func whatIsNoURLOfAServerIsRefused(text: String) {
        #expect(throws: WebURL.Invalid.self) { try WebURL(text) }
    }

    @Test func theReasonDoesNotRepeatTheText() {
        for text in ["http://user:secret@a/", "http://a b/secret", "secret", "http://a:secret/"] {
            let reason = #expect(throws: WebURL.Invalid.self) { try WebURL(text) }
            #expect(reason?.description.contains("secret") == false)
        }
    }

    @Test func anotherTargetOnTheSameServer() throws {
        let base = try WebURL("https://a:6600/old?x=1")
        #expect(try base.at("/new").description == "https://a:6600/new")
        #expect(try base.at("/new?y=%20").target == "/new?y=%20")
        #expect(try base.at("/?").query == "")
        #expect(try base.at("//b").host == "a")
        for target in ["", "x", "?x", "http://b/", "/a b", "/a\r\nX: y", "/a#b", "/\0", "/\u{e4}"] {
            #expect(throws: WebURL.Invalid.self) { try base.at(target) }
        }
    }

    @Test func socketsByTheirPath() throws {
        let url = try WebURL.unix(socket: "/run/he cate/50%.sock", path: "/x?y")
        #expect(url.scheme == .unix && url.host == "/run/he cate/50%.sock" && url.target == "/x?y")
        #expect(url.description == "http+unix://%2Frun%2Fhe%20cate%2F50%25.sock/x?y")
        #expect(try WebURL.unix(socket: "/\(String(repeating: "a", count: 106))").host.utf8.count == 107)
        #expect(throws: WebURL.Invalid.self) { try WebURL.unix(socket: "") }
        #expect(throws: WebURL.Invalid.self) { try WebURL.unix(socket: "/\(String(repeating: "a", count: 107))") }
    }

    /// Whatever is accepted can stand in a request line and in `Host`, and reads the same when it is written again.
    @Test func whateverIsAcceptedIsSafeToWrite() throws {
        var generator = SeededGenerator(seed: 7)
        let seeds = ["http://a:1/x?y", "https://[::1]:2/", "http+unix://%2Fx/y", "http://a.b/%20"].map {
            Array($0.utf8)
        }
        var accepted = 0
        for round in 0..<20_000 {
            var bytes = seeds[round % seeds.count]
            for _ in 0...Int.random(in: 0...2, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                let byte = UInt8.random(in: 0...127, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = byte
                case 1: bytes.insert(byte, at: place)
                default: if bytes.count > 1 { bytes.remove(at: place) }
                }
            }
            guard let url = try? WebURL(String(decoding: bytes, as: UTF8.self)) else { continue }
            accepted += 1
            #expect((url.authority + url.target).utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f })
            #expect(url.target.utf8.first == UInt8(ascii: "/") && (1...65535).contains(url.effectivePort))
            #expect(try WebURL(url.description) == url)
        }
        #expect(accepted > 1000)
    }
}
