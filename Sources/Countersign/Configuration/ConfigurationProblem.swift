/// One thing that is wrong with a configuration: where, and what to do about it.
package struct ConfigurationProblem: Error, Sendable, Equatable, CustomStringConvertible {
    /// The path of the key, as `endpoints[0].secret.file`.
    package let path: String
    package let message: String
    /// The line of the file, where it is known.
    package let line: Int?

    package init(_ path: String, _ message: String, line: Int? = nil) {
        self.path = path
        self.message = message
        self.line = line
    }

    package var description: String {
        let place = line.map { " (line \($0))" } ?? ""
        return path.isEmpty ? "\(message)\(place)" : "\(path): \(message)\(place)"
    }
}

/// Everything that is wrong with a configuration, told at once.
package struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package let problems: [ConfigurationProblem]

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
