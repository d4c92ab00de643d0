import Foundation
import TestServers
import TestSupport
import Testing

/// The status page of a running gateway, in a real browser. Screenshots are kept in `.local/screenshots/`.
@Suite(.serialized) struct StatusPageTests {
    private static let tab = "\u{E004}", enter = "\u{E007}"
    private static let shots = ChildProcess.sources.appendingPathComponent(".local/screenshots")

    private final class Gateway {
        let argus: ArgusProcess
        let process: ChildProcess
        let folder: FileFolder
        let port: Int
        let operations: Int
        var page: String { "http://127.0.0.1:\(operations)/" }

        init() async throws {
            argus = try await ArgusProcess(ownerPattern: "^.{10,60}$")
            folder = try FileFolder([:])
            port = try FreePort.find()
            operations = try FreePort.find()
            try """
            pipeline: sns-to-argus
            shutdownGrace: 1s
            breaker: {window: 10m}
            operations:
              metrics: "127.0.0.1:\(operations)"
              health: "127.0.0.1:\(operations)"
              lists:
                - {name: Tr1d1um, url: "http://127.0.0.1:\(operations)/metrics", metric: xmidt_hecate_webhook_list_size_value}
                - {name: Caduceus, url: "http://127.0.0.1:9/metrics", metric: xmidt_caduceus_webhook_list_size_value}
            source: {http: {listen: "127.0.0.1:\(port)"}}
            stages:
              - name: wave
                filter: {match: {field: config.url, host: "*.example"}}
                otherwise: {file: {path: \(folder.path)/rest.jsonl}}
              - name: item
                transform: {argus-item: {owner: xmidt-migration}}
            sink: {argus: {address: "\(argus.url)", auth: {basic: "user:pass"}}}
            spool: {path: \(folder.path)/spool.sqlite}
            deadLetters: {sqlite: {path: \(folder.path)/letters.sqlite}}
            """
            .write(toFile: "\(folder.path)/p.yaml", atomically: true, encoding: .utf8)
            process = try ChildProcess(ChildProcess.hecate, ["run", "\(folder.path)/p.yaml"], name: "gateway")
            try await Cluster.eventually("the gateway is ready; it says \(process.output)") {
                (try? await Cluster.request("GET", "\(page)ready").status) == 200
            }
        }

        func post(_ body: String) async throws {
            _ = try await Cluster.request("POST", "http://127.0.0.1:\(port)/", body: Data(body.utf8))
        }

        func stop() async {
            await process.stop()
            await argus.process.stop()
        }
    }

    private func eventually(
        _ browser: Browser, _ selector: String, shows text: String, file: StaticString = #filePath
    ) async throws {
        try await Cluster.eventually("\(selector) shows '\(text)'") { try await browser.text(selector).contains(text) }
    }

    @Test(.enabled(if: Browser.program != nil)) func showsWhatTheGatewayDoes() async throws {
        let gateway = try await Gateway()
        let browser = try await Browser.start(width: 1280, height: 1000)
        try await browser.open(gateway.page)
        try await eventually(browser, "#connection", shows: "live")
        try await eventually(browser, "[data-ready]", shows: "ready")
        for number in 0..<5 { try await gateway.post(webhook("http://h\(number).example/")) }
        try await gateway.post(webhook("http://elsewhere.net/"))
        try await gateway.post(#"{"config":{"url":"http://bad.example/<img src=x onerror=alert(1)>"}}"#)
        try await eventually(browser, "[data-figures]", shows: "delivered 5")
        try await eventually(browser, "[data-figures]", shows: "dead lettered 1")
        try await eventually(browser, "[data-letters]", shows: "events is missing or empty")
        try await eventually(browser, "[data-troubles]", shows: "refused")
        try await eventually(browser, "[data-state='sns-to-argus/n1']", shows: "1 stopped")
        // The graph: the way from source to sink, and the branch of what the filter stops.
        let names = try await browser.value(
            "[...document.querySelectorAll('.flow > li > div > .node b')].map(b => b.innerText)")
        #expect(names as? [String] == ["http", "wave", "item", "argus"])
        let branch = try await browser.text(".branches > li")
        #expect(branch.contains("file"))
        // The sizes of lists: one that answers, one that does not, and this gateway's own.
        try await eventually(browser, "#lists .legend", shows: "Tr1d1um 5")
        try await eventually(browser, "#lists .legend", shows: "Hecate 5")
        #expect(try await browser.text("#parity").contains("Caduceus cannot be asked"))
        let lines = try await browser.value("document.querySelectorAll('svg.chart polyline').length")
        #expect(lines as? Int == 3)
        // By keyboard alone: the first Tab finds the way past the head, Enter opens a stage's figures.
        try await browser.press(Self.tab)
        #expect(try await browser.value("document.activeElement.className") as? String == "skip")
        try await browser.press(Self.enter)
        try await browser.press(Self.tab)
        #expect(try await browser.value("document.activeElement.localName") as? String == "summary")
        try await browser.press(Self.enter)
        #expect(try await browser.value("document.querySelector('.node').open") as? Bool == true)
        try await eventually(browser, "[data-details='sns-to-argus/n0']", shows: "delivered")
        try await browser.screenshot(to: Self.shots.appendingPathComponent("status-light.png"))
        #expect(try await browser.complaints() == [])
        let page = try await browser.value("document.documentElement.outerHTML") as? String ?? ""
        #expect(page.contains("http://bad.example") == false || !page.contains("<img"))
        #expect(!page.contains("hunter2-webhook"))
        // The sink fails: it is seen without looking again.
        await gateway.argus.process.stop()
        for number in 0..<40 { try await gateway.post(webhook("http://later\(number).example/")) }
        try await eventually(browser, "[data-state='sns-to-argus/n4']", shows: "breaker open")
        try await eventually(browser, "[data-ready]", shows: "degraded")
        try await eventually(browser, "[data-troubles]", shows: "Argus does not answer")
        try await browser.screenshot(to: Self.shots.appendingPathComponent("status-failing.png"))
        // The gateway ends, with somebody looking on, and that is seen too.
        let status = await gateway.process.stop()
        #expect(status == 0)
        try await eventually(browser, "#connection", shows: "the gateway does not answer")
        await browser.close()
        await gateway.stop()
    }

    @Test(.enabled(if: Browser.program != nil)) func fitsAPhoneAndTheDark() async throws {
        let gateway = try await Gateway()
        try await gateway.post(webhook("http://a.example/"))
        let browser = try await Browser.start(width: 1280, height: 840)
        for (width, isDark) in [(390, false), (390, true), (1280, true)] {
            try await browser.show(width: width, height: 840, isDark: isDark)
            try await browser.open(gateway.page)
            try await eventually(browser, "[data-figures]", shows: "delivered 1")
            let overflow = try await browser.value(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth")
            #expect(overflow as? Int == 0, "nothing is wider than the page")
            let color = try await browser.value("getComputedStyle(document.body).backgroundColor") as? String ?? ""
            let channels = color.split { !$0.isNumber }.compactMap { Int($0) }
            #expect(channels.count == 3 && channels.allSatisfy { isDark ? $0 < 60 : $0 > 200 }, "\(color)")
            try await browser.screenshot(
                to: Self.shots.appendingPathComponent("status-\(width)-\(isDark ? "dark" : "light").png"))
        }
        #expect(try await browser.complaints() == [])
        await browser.close()
        await gateway.stop()
    }

    @Test func onlyReadingIsAnsweredAndNothingIsLoadedFromElsewhere() async throws {
        let gateway = try await Gateway()
        let (status, headers, body) = try await Cluster.request("GET", gateway.page)
        #expect(status == 200 && headers["content-security-policy"]?.contains("default-src 'none'") == true)
        #expect(String(decoding: body, as: UTF8.self).contains("<title>Hecate</title>"))
        for path in ["", "status.json", "status.js", "status.css", "status/events"] {
            #expect(try await Cluster.request("POST", gateway.page + path).status == 405)
        }
        let json = try await Cluster.request("GET", gateway.page + "status.json").body
        #expect((try JSONSerialization.jsonObject(with: json) as? [String: Any])?["pipelines"] != nil)
        #expect(!String(decoding: json, as: UTF8.self).contains("user:pass"))
        await gateway.stop()
    }
}
