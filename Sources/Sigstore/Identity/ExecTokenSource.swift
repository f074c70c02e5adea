import FoundationEssentials
import Glibc
import StrictJSON

/// A program that prints a token: for issuers that none of the other sources knows.
///
/// It is started without a shell, with nothing on its standard input, in an environment of `PATH`, `HOME`, `LANG`, what is
/// named, and `COUNTERSIGN_AUDIENCE`. Its standard output is one token, or JSON with it in `status.token` (the form of
/// Kubernetes' ExecCredential), `id_token` or `token`. What it prints on standard error is told, scrubbed, when it fails.
public struct ExecTokenSource: IdentityTokenSource {
    /// What is started, and within which bounds.
    public struct Program: Sendable, Equatable {
        /// The program (looked up in `PATH` unless it has a slash) and its arguments; `{audience}` in an argument is replaced.
        public var command: [String]
        /// Names of variables of our environment that it gets besides.
        public var environment: [String] = []
        /// Then it is killed, with all that it started.
        public var timeout: Duration = .seconds(10)
        /// Bytes of its output; with more it is killed.
        public var maxOutputBytes = IdentityToken.maxBytes

        /// A program with the default bounds.
        public init(command: [String]) { self.command = command }
    }

    private let program: Program
    private let audience: String
    private let environment: EnvironmentReader

    /// A source for tokens that the program is asked to make for `audience`.
    public init(_ program: Program, audience: String, environment: EnvironmentReader = .process) {
        self.program = program
        self.audience = audience
        self.environment = environment
    }

    public var description: String { "program \(program.command.first ?? "")" }

    public func token() async throws(SigstoreError) -> IdentityToken {
        let arguments = program.command.map { $0.replacing("{audience}", with: audience) }
        let variables = (["PATH", "HOME", "LANG"] + program.environment).compactMap { name in
            environment[name].map { "\(name)=\($0)" }
        }
        let child = ChildProgram(
            arguments: arguments, environment: variables + ["COUNTERSIGN_AUDIENCE=\(audience)"],
            timeout: program.timeout, maxOutputBytes: program.maxOutputBytes)
        let ending: ChildProgram.Ending
        do throws(ChildProgram.Failure) {
            ending = try await child.run()
        } catch {
            if case .cancelled = error { throw .cancelled(.identity, answerMayBeLost: false) }
            throw failed("\(error)")
        }
        guard ending.status == .exited(0) else {
            let words = scrubbed(String(decoding: ending.errors, as: UTF8.self))
            throw failed("it \(ending.status)" + (words.isEmpty ? ", without a word" : ": \(words)"))
        }
        guard let text = String(validating: ending.output, as: UTF8.self) else {
            throw failed("its output is not text")
        }
        return try token(in: text)
    }

    private func token(in text: String) throws(SigstoreError) -> IdentityToken {
        var token = text
        if text.drop(while: \.isWhitespace).first == "{" {
            guard let json = try? JSONValue(parsing: Array(text.utf8)) else { throw failed("its output is not JSON") }
            guard let found = json["status"]?["token"]?.text ?? json["id_token"]?.text ?? json["token"]?.text else {
                throw failed("its JSON has no status.token, id_token or token")
            }
            token = found
        }
        guard !token.allSatisfy(\.isWhitespace) else { throw failed("it printed nothing") }
        do throws(SigstoreError) { return try IdentityToken(token) } catch {
            throw failed("what it printed is no token: \(error.observed)")
        }
    }

    private func failed(_ detail: String) -> SigstoreError {
        .identity(.program(program.command.first ?? "program", detail: detail))
    }
}
