import TestSupport
import Testing
import Wire

@testable import AWS

@Suite struct CredentialsTests {
    private func chain(
        _ environment: [String: String], files: [String: String] = [:], profile: String? = nil,
        clock: Protected<Timestamp>? = nil,
        answers: [String: (Int, String)] = [:], asked: Protected<[HTTPTransport.Request]> = Protected([])
    ) -> CredentialsChain {
        let transport = HTTPTransport { request, _, _ in
            asked.with { $0.append(request) }
            guard let (status, body) = answers["\(request.method) \(request.url)"] else {
                throw CredentialsError("nothing is there")
            }
            return .init(status: status, body: Array(body.utf8))
        }
        return CredentialsChain(
            .init(
                environment: environment, file: { files[$0] },
                now: { clock?.with { $0 } ?? Timestamp(seconds: 1_767_225_600) }, transport: transport),
            profile: profile, region: "us-east-1")
    }

    private static let document = """
        {"AccessKeyId":"ID","SecretAccessKey":"SECRET","Token":"TOKEN","Expiration":"2026-01-01T01:00:00Z"}
        """

    @Test func theEnvironmentComesFirst() async throws {
        let found = try await chain(["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"])
            .credentials()
        #expect(found == AWSCredentials(accessKeyID: "a", secretAccessKey: "b", sessionToken: "c"))
        await #expect(throws: CredentialsError.self) { try await chain(["AWS_ACCESS_KEY_ID": "a"]).credentials() }
    }

    @Test func profilesOfTheSharedFilesAreRead() async throws {
        let files = [
            "/h/.aws/credentials":
                "# x\n[default]\naws_access_key_id = d\naws_secret_access_key=ds\n[ other ]\naws_access_key_id=o\n",
            "/h/.aws/config":
                "[profile other]\naws_secret_access_key = os\n[profile sso]\nsso_session = x\n  nested = 1\n",
        ]
        let home = ["HOME": "/h", "AWS_EC2_METADATA_DISABLED": "true"]
        #expect(try await chain(home, files: files).credentials()?.accessKeyID == "d")
        let other = try await chain(home.merging(["AWS_PROFILE": "other"]) { $1 }, files: files).credentials()
        #expect(other == AWSCredentials(accessKeyID: "o", secretAccessKey: "os"))
        #expect(try await chain(home, files: files, profile: "other").credentials() == other)
        await #expect(throws: CredentialsError.self) {
            try await chain(home, files: files, profile: "sso").credentials()
        }
        await #expect(throws: CredentialsError.self) {
            try await chain(home, files: files, profile: "none").credentials()
        }
    }

    @Test func aWebIdentityIsExchanged() async throws {
        let asked = Protected<[HTTPTransport.Request]>([])
        let answer = """
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
            <Credentials><SessionToken>T</SessionToken><SecretAccessKey>S&amp;S</SecretAccessKey><Expiration>2026-01-01T01:00:00Z</Expiration>
            <AccessKeyId>I</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
            """
        let found = try await chain(
            ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"],
            files: ["/token": "web token\n"],
            answers: ["POST https://sts.us-east-1.amazonaws.com/": (200, answer)], asked: asked
        ).credentials()
        #expect(found?.secretAccessKey == "S&S" && found?.sessionToken == "T")
        #expect(asked.with { $0[0].body.text.contains("WebIdentityToken=web%20token") })
    }

    @Test func aContainersCredentialsCarryItsToken() async throws {
        let asked = Protected<[HTTPTransport.Request]>([])
        let found = try await chain(
            [
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t",
            ],
            files: ["/t": "auth\n"], answers: ["GET http://localhost/c": (200, Self.document)], asked: asked
        ).credentials()
        #expect(found?.accessKeyID == "ID")
        #expect(asked.with { $0[0].headers["Authorization"] } == "auth")
    }

    @Test func theInstancesRoleIsAskedForWithASessionToken() async throws {
        let base = "http://169.254.169.254/latest"
        let roles = "GET \(base)/meta-data/iam/security-credentials/"
        let clock = Protected(Timestamp(seconds: 1_767_225_600))
        let asked = Protected<[HTTPTransport.Request]>([])
        let chain = chain(
            [:], clock: clock,
            answers: [
                "PUT \(base)/api/token": (200, "session"), roles: (200, "role\n"), roles + "role": (200, Self.document),
            ], asked: asked)
        #expect(try await chain.credentials()?.sessionToken == "TOKEN")
        #expect(asked.with { $0.dropFirst().allSatisfy { $0.headers["X-aws-ec2-metadata-token"] == "session" } })
        // Kept until five minutes before they end.
        clock.with { $0 = $0 + .seconds(54 * 60) }
        _ = try await chain.credentials()
        #expect(asked.with { $0.count } == 3)
        clock.with { $0 = $0 + .seconds(120) }
        _ = try await chain.credentials()
        #expect(asked.with { $0.count } == 6)
    }

    @Test func nothingAnywhereIsAnErrorThatSaysWhereItLooked() async {
        await #expect(throws: CredentialsError.self) { try await chain([:]).credentials() }
    }

    @Test func noDescriptionShowsASecret() {
        let credentials = AWSCredentials(accessKeyID: "id", secretAccessKey: "hunter2", sessionToken: "hunter3")
        var dumped = ""
        dump(credentials, to: &dumped)
        for shown in ["\(credentials)", String(reflecting: credentials), dumped] { #expect(!shown.contains("hunter")) }
    }
}

@Suite struct SNSClientTests {
    private func client(_ answers: Protected<[(Int, String)]>, asked: Protected<[String]>) -> SNSClient {
        SNSClient(
            region: "us-east-1", endpoint: "http://localhost:1",
            credentials: StaticCredentials(AWSCredentials(accessKeyID: "a", secretAccessKey: "b")),
            transport: HTTPTransport { request, _, _ in
                asked.with { $0.append(request.body.text) }
                let (status, body) = answers.with { $0.isEmpty ? (500, "") : $0.removeFirst() }
                return .init(status: status, body: Array(body.utf8))
            }, pause: { _ in })
    }

    @Test func readsSubscriptionsOverPages() async throws {
        func page(_ names: [String], next: String) -> String {
            let members = names.map {
                "<member><SubscriptionArn>arn:\($0)</SubscriptionArn><Protocol>http</Protocol><Endpoint>http://\($0)/?a=1&amp;b=2</Endpoint></member>"
            }.joined()
            return
                "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>\(members)</Subscriptions><NextToken>\(next)</NextToken></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>"
        }
        let asked = Protected<[String]>([])
        let answers = Protected([(200, page(["x", "y"], next: "n+/=")), (200, page(["z"], next: ""))])
        let found = try await client(answers, asked: asked).subscriptions(topicARN: "t")
        #expect(found.map(\.arn) == ["arn:x", "arn:y", "arn:z"])
        #expect(found[0].endpoint == "http://x/?a=1&b=2")
        #expect(
            asked.with { $0[1] } == "Action=ListSubscriptionsByTopic&Version=2010-03-31&TopicArn=t&NextToken=n%2B%2F%3D"
        )
    }

    @Test func triesAgainWhatMayPassAndTellsWhatDoesNot() async throws {
        let ok =
            "<R><ConfirmSubscriptionResult><SubscriptionArn>arn:s</SubscriptionArn></ConfirmSubscriptionResult></R>"
        let asked = Protected<[String]>([])
        let answers = Protected([
            (503, ""), (400, "<E><Error><Code>Throttling</Code><Message>slow</Message></Error></E>"), (200, ok),
        ])
        #expect(try await client(answers, asked: asked).confirmSubscription(topicARN: "t", token: "k") == "arn:s")
        #expect(asked.with { $0.count } == 3)
        let refused = Protected([
            (404, "<E><Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error></E>")
        ])
        do {
            try await client(refused, asked: asked).unsubscribe(subscriptionARN: "arn:s")
            Issue.record("an error was expected")
        } catch let error as AWSServiceError {
            #expect(error.code == "NotFound" && error.description == "Unsubscribe: NotFound: Topic does not exist")
        }
        #expect(asked.with { $0.count } == 4)
    }

    @Test func anAnswerThatIsNoXMLIsAnError() async {
        let asked = Protected<[String]>([])
        let hostile =
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><R><SubscriptionArn>&e;</SubscriptionArn></R>"
        for body in ["", "hello", "<a>", hostile, String(repeating: "<a>", count: 1000)] {
            await #expect(throws: (any Error).self) {
                try await client(Protected([(200, body)]), asked: asked).confirmSubscription(topicARN: "t", token: "k")
            }
        }
    }
}
