import Wire

/// Exchanges a token in a file for credentials of a role (`AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN`), as pods on
/// Kubernetes do. Source: AWS STS API, AssumeRoleWithWebIdentity.
struct WebIdentityCredentials: CredentialsProvider {
    private let context: CredentialsChain.Context
    private let region: String

    init(_ context: CredentialsChain.Context, region: String) {
        self.context = context
        self.region = region
    }

    func credentials() async throws -> AWSCredentials? {
        let environment = context.environment
        guard let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"], let role = environment["AWS_ROLE_ARN"] else {
            return nil
        }
        return try await Self.assume(
            role: role, session: environment["AWS_ROLE_SESSION_NAME"], tokenFile: file, context, region: region)
    }

    static func assume(
        role: String, session: String?, tokenFile: String, _ context: CredentialsChain.Context, region: String
    ) async throws -> AWSCredentials {
        guard let token = context.file(tokenFile) else {
            throw CredentialsError("the web identity token file '\(tokenFile)' cannot be read")
        }
        let endpoint = context.environment["AWS_ENDPOINT_URL_STS"] ?? "https://sts.\(region).amazonaws.com/"
        let form = FormEncoding.form([
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleArn", role),
            ("RoleSessionName", session ?? "hecate"), ("WebIdentityToken", Substring(token).trimmed),
        ])
        let request = HTTPTransport.Request(
            "POST", endpoint, headers: ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"],
            body: Array(form.utf8))
        let response = try await context.transport.send(request, .seconds(10), 1 << 20)
        guard response.status == 200, let xml = XMLTree.parse(response.body),
            let found = xml.first("Credentials"), let id = found.text("AccessKeyId"),
            let secret = found.text("SecretAccessKey"), let token = found.text("SessionToken"),
            let expiration = found.text("Expiration").flatMap({ RFC3339.parse($0) })
        else {
            throw CredentialsError("the token service did not give credentials for \(role): status \(response.status)")
        }
        return AWSCredentials(
            accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiration: expiration.timestamp)
    }
}
