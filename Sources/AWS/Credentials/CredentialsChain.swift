import Locking
public import Wire

/// The default provider chain: environment, web identity, shared files with profiles, container, instance metadata.
/// Uses the first provider with credentials, and caches them until five minutes before they expire. Concurrent callers
/// share a lookup.
public actor CredentialsChain: CredentialsProvider {
    /// What the providers read, as parameters.
    public struct Context: Sendable {
        /// The environment variables.
        public var environment: [String: String]
        /// Reads a file; nil if it cannot be read.
        public var file: @Sendable (String) -> String?
        public var now: @Sendable () -> Timestamp
        /// The HTTP transport.
        public var transport: HTTPTransport

        public init(
            environment: [String: String], file: @escaping @Sendable (String) -> String?,
            now: @escaping @Sendable () -> Timestamp, transport: HTTPTransport
        ) {
            self.environment = environment
            self.file = file
            self.now = now
            self.transport = transport
        }

        /// The process's environment, the file system and the system's clock.
        public static func system(transport: HTTPTransport) -> Context {
            Context(
                environment: environmentVariables, file: { path in (try? Files.read(path, atMost: 1 << 20))?.text },
                now: { .now() }, transport: transport)
        }
    }

    private static let margin = Duration.seconds(300)

    private let providers: [any CredentialsProvider]
    private let now: @Sendable () -> Timestamp
    private var cached: AWSCredentials?
    private var lookUp: Task<AWSCredentials, any Error>?

    /// Makes a chain, with a profile that takes precedence over `AWS_PROFILE`.
    ///
    /// - Parameter region: the region of the token service, for web identities.
    public init(_ context: Context, profile: String? = nil, region: String) {
        now = context.now
        let files = SharedFileCredentials(context, profile: profile, region: region)
        providers =
            profile != nil
            ? [files]
            : [
                EnvironmentCredentials(context.environment), WebIdentityCredentials(context, region: region),
                files,
                ContainerCredentials(context), InstanceMetadataCredentials(context),
            ]
    }

    /// Returns valid credentials.
    ///
    /// - Throws: `CredentialsError` if no provider has any.
    public func credentials() async throws -> AWSCredentials? {
        if let cached, isFresh(cached, by: Self.margin) { return cached }
        let task = lookUp ?? Task { try await find() }
        lookUp = task
        defer { lookUp = nil }
        do {
            let found = try await task.value
            cached = found
            return found
        } catch {
            // Use cached credentials that are still valid while the provider fails.
            if let cached, isFresh(cached, by: .zero) { return cached }
            throw error
        }
    }

    private func isFresh(_ credentials: AWSCredentials, by margin: Duration) -> Bool {
        credentials.expiration.map { $0 > now() + margin } ?? true
    }

    private func find() async throws -> AWSCredentials {
        for provider in providers {
            if let found = try await provider.credentials() { return found }
        }
        throw CredentialsError(
            "no AWS credentials found: tried the option 'credentials', AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, the shared credentials file, the container's and the instance's metadata"
        )
    }
}
