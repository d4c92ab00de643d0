import Wire

/// Fetches the credentials of a container: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` on ECS, `..._FULL_URI` on EKS and
/// elsewhere, with the authorization token from the environment or a file.
struct ContainerCredentials: CredentialsProvider {
    private let context: CredentialsChain.Context

    init(_ context: CredentialsChain.Context) { self.context = context }

    func credentials() async throws -> AWSCredentials? {
        let environment = context.environment
        let url: String
        if let relative = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
            url = "http://169.254.170.2\(relative)"
        } else if let full = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
            url = full
        } else {
            return nil
        }
        var headers: [String: String] = [:]
        if let file = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
            guard let token = context.file(file) else {
                throw CredentialsError("the container authorization token file '\(file)' cannot be read")
            }
            headers["Authorization"] = Substring(token).trimmed
        } else if let token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] {
            headers["Authorization"] = token
        }
        let response = try await context.transport.send(.init("GET", url, headers: headers), .seconds(5), 1 << 20)
        guard response.status == 200 else {
            throw CredentialsError("the container's credentials cannot be fetched: status \(response.status)")
        }
        return try MetadataDocument.credentials(from: response.body, what: "container")
    }
}
