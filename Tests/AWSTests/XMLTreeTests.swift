import Testing

@testable import AWS

@Suite struct XMLTreeTests {
    private func parse(_ text: String) -> XMLTree? { XMLTree.parse(Array(text.utf8)) }

    @Test func readsWhatTheServicesSend() throws {
        let tree = try #require(
            parse(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <!-- a remark -->
                <SubscribeResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/" other='>"'>
                    <SubscribeResult><SubscriptionArn>arn:aws:sns:1 &amp; &lt;2&gt; &#233;&#xE9;&quot;&apos;</SubscriptionArn></SubscribeResult>
                    <a:Empty xmlns:a="x"/><Members><member>1</member><member><![CDATA[<2> & 3]]></member></Members>
                </SubscribeResponse>
                """))
        #expect(tree.name == "SubscribeResponse")
        #expect(tree.text("SubscriptionArn") == "arn:aws:sns:1 & <2> éé\"'")
        #expect(tree.first("Members")?.all("member").map(\.text) == ["1", "<2> & 3"])
        #expect(tree.first("Empty")?.text == "")
        #expect(tree.first("Nothing") == nil)
    }

    @Test(arguments: [
        "", "text", "<a>", "<a></b>", "<a/><b/>", "<a b></a>", "<a b=c/>", "<a b=\"c/>", "<a>&b;</a>",
        "<a>&#xD800;</a>",
        "<a>&lt</a>", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>", "<a><!-- </a>",
        "<a><![CDATA[ </a>",
        "< a/>", "<a:b:c/>", "<a></a", "<a><!DOCTYPE b></a>",
    ]) func refuses(text: String) {
        #expect(parse(text) == nil)
    }

    @Test func isBoundedInDepth() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(parse(nested(32)) != nil)
        #expect(parse(nested(33)) == nil)
        #expect(parse(nested(100_000)) == nil)
        #expect(XMLTree.parse([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]) == nil, "no UTF-8")
    }
}
