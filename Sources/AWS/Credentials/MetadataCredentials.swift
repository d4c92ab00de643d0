import Wire

/// Fetches the credentials of an EC2 instance's role from its metadata service, version 2.
struct InstanceMetadataCredentials: CredentialsProvider {
    private let context: CredentialsChain.Context

    init(_ context: CredentialsChain.Context) { self.context = context }

    func credentials() async throws -> AWSCredentials? {
        guard context.environment["AWS_EC2_METADATA_DISABLED"]?.lowercased() != "true" else { return nil }
        let base = context.environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? "http://169.254.169.254"
        let roles = "\(base)/latest/meta-data/iam/security-credentials/"
        func get(_ request: HTTPTransport.Request) async -> [UInt8]? {
            // Outside EC2 nothing answers: not an error, just the end of the chain.
            guard let response = try? await context.transport.send(request, .seconds(1), 1 << 20),
                response.status == 200
            else { return nil }
            return response.body
        }
        let ask = HTTPTransport.Request(
            "PUT", "\(base)/latest/api/token", headers: ["X-aws-ec2-metadata-token-ttl-seconds": "21600"])
        guard let token = await get(ask)?.text else { return nil }
        let headers = ["X-aws-ec2-metadata-token": token]
        guard let names = await get(.init("GET", roles, headers: headers))?.text,
            let role = names.split(whereSeparator: \.isNewline).first,
            let document = await get(.init("GET", roles + role, headers: headers))
        else { return nil }
        return try MetadataDocument.credentials(from: document, what: "instance")
    }
}

/// The JSON document of both metadata services.
enum MetadataDocument {
    private static func field(_ name: String, _ json: [UInt8]) -> String? {
        FieldPath(name).flatMap { try? $0.text(in: json) }
    }

    static func credentials(from json: [UInt8], what: String) throws -> AWSCredentials {
        guard let id = field("AccessKeyId", json), let secret = field("SecretAccessKey", json) else {
            throw CredentialsError("the \(what)'s metadata service answered without credentials")
        }
        return AWSCredentials(
            accessKeyID: id, secretAccessKey: secret, sessionToken: field("Token", json),
            expiration: field("Expiration", json).flatMap { RFC3339.parse($0)?.timestamp })
    }
}
