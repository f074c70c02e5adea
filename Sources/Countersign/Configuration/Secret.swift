/// A value that must not be seen: its text forms say only that it is there.
///
/// It is read from a file or the environment when the configuration is read, never from the configuration itself,
/// and leaves this type only by the name `exposed`, so that a reviewer can find every use.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself. For the wire and for comparisons, nothing else.
    package let exposed: String

    package init(_ value: String) { exposed = value }

    package var description: String { "«redacted»" }
    package var debugDescription: String { "«redacted»" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
