/// A value that must not be seen: its text forms say only that it is there.
///
/// It is read from a file or the environment when the configuration is read, never from the configuration itself,
/// and leaves this type only by the name `exposed`, so that a reviewer can find every use.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself. For the wire and for comparisons, nothing else.
    package let exposed: String
    /// Where it was read, for those who read it again when somebody may have renewed it; nil for one from the environment.
    package let file: String?

    package init(_ value: String, file: String? = nil) {
        exposed = value
        self.file = file
    }

    /// The same secret, wherever it was read.
    package static func == (left: Secret, right: Secret) -> Bool { left.exposed == right.exposed }

    package var description: String { "«redacted»" }
    package var debugDescription: String { "«redacted»" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
