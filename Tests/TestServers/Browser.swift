package import Foundation
import HTTP
import TestSupport

/// A headless Chromium, driven through its chromedriver. Both are stopped by `close`.
///
/// Source of the protocol: W3C WebDriver.
package final class Browser: Sendable {
    /// What the browser does not do.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private let driver: ChildProcess
    private let base: String
    private let session: String

    /// The driver's program; nil where Debian's chromium-driver is not installed.
    package static var program: URL? {
        let url = URL(fileURLWithPath: "/usr/bin/chromedriver")
        return FileManager.default.isExecutableFile(atPath: url.path) ? url : nil
    }

    private init(driver: ChildProcess, base: String, session: String) {
        self.driver = driver
        self.base = base
        self.session = session
    }

    /// Starts a browser.
    package static func start(width: Int, height: Int) async throws -> Browser {
        guard let program else { throw Failure(description: "chromium-driver is not installed") }
        let port = try FreePort.find()
        let driver = try ChildProcess(program, ["--port=\(port)"], name: "chromedriver")
        let base = "http://127.0.0.1:\(port)"
        for attempt in 0... {
            if (try? await call("GET", "\(base)/status", nil)) != nil { break }
            guard attempt < 600, driver.isRunning else { throw Failure(description: "chromedriver: \(driver.output)") }
            try await Task.sleep(for: .milliseconds(50))
        }
        // In a container there is no user whom the sandbox could use.
        let arguments = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--window-size=\(width),\(height)",
        ]
        let made = try await call(
            "POST", "\(base)/session",
            [
                "capabilities": [
                    "alwaysMatch": [
                        "goog:loggingPrefs": ["browser": "ALL"],
                        "goog:chromeOptions": ["binary": "/usr/bin/chromium", "args": arguments],
                    ]
                ]
            ])
        guard let session = (made as? [String: Any])?["sessionId"] as? String else {
            throw Failure(description: "no session: \(String(describing: made))")
        }
        let browser = Browser(driver: driver, base: base, session: session)
        try await browser.show(width: width, height: height, isDark: false)
        return browser
    }

    /// What pages see: a window of a size, which may be as narrow as a phone's, and whether somebody likes it dark.
    package func show(width: Int, height: Int, isDark: Bool) async throws {
        _ = try await command(
            "Emulation.setDeviceMetricsOverride",
            ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600])
        _ = try await command(
            "Emulation.setEmulatedMedia",
            ["features": [["name": "prefers-color-scheme", "value": isDark ? "dark" : "light"]]])
    }

    /// Opens a page; returns when it is loaded.
    package func open(_ url: String) async throws { _ = try await post("url", ["url": url]) }

    /// The value of an expression in the page.
    package func value(_ expression: String) async throws -> Any? {
        try await post("execute/sync", ["script": "return \(expression)", "args": [Any]()])
    }

    /// The text of the first element that a selector finds.
    package func text(_ selector: String) async throws -> String {
        let found = try await value("document.querySelector(\(quoted(selector)))?.innerText ?? ''")
        return found as? String ?? ""
    }

    /// Presses a key; special ones by their WebDriver code point, such as `\u{E004}` for Tab.
    package func press(_ key: String) async throws {
        _ = try await post(
            "actions",
            [
                "actions": [
                    [
                        "type": "key", "id": "keyboard",
                        "actions": [["type": "keyDown", "value": key], ["type": "keyUp", "value": key]],
                    ]
                ]
            ])
    }

    /// The whole page as PNG.
    package func screenshot(to url: URL) async throws {
        let shot = try await command("Page.captureScreenshot", ["captureBeyondViewport": true]) as? [String: Any]
        guard let text = shot?["data"] as? String, let data = Data(base64Encoded: text) else {
            throw Failure(description: "no screenshot")
        }
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: url)
    }

    /// What the page has complained about so far: errors of scripts, what could not be loaded, what the policy forbade.
    package func complaints() async throws -> [String] {
        let entries = try await post("se/log", ["type": "browser"]) as? [[String: Any]] ?? []
        return entries.filter { ($0["level"] as? String) == "SEVERE" }.map { "\($0["message"] ?? "")" }
    }

    /// Ends the browser and its driver.
    package func close() async {
        _ = try? await Self.call("DELETE", "\(base)/session/\(session)", nil)
        await driver.stop(within: .seconds(10))
    }

    private func quoted(_ text: String) -> String {
        "\"\(text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\""))\""
    }

    /// A command of Chromium's own protocol.
    private func command(_ name: String, _ parameters: [String: Any]) async throws -> Any? {
        try await post("goog/cdp/execute", ["cmd": name, "params": parameters])
    }

    private func post(_ path: String, _ body: [String: Any]) async throws -> Any? {
        try await Self.call("POST", "\(base)/session/\(session)/\(path)", body)
    }

    private static func call(_ method: String, _ url: String, _ body: [String: Any]?) async throws -> Any? {
        let sent = try body.map { try JSONSerialization.data(withJSONObject: $0) }
        let response = try await HTTPClient.once(
            method, url, headers: sent == nil ? [:] : ["Content-Type": "application/json"], body: sent.map { Array($0) }
        )
        let answer =
            try JSONSerialization.jsonObject(with: Data(response.body), options: .fragmentsAllowed) as? [String: Any]
        guard response.status == 200 else {
            throw Failure(description: "\(url): \(answer?["value"] ?? response.status)")
        }
        return answer?["value"]
    }
}
