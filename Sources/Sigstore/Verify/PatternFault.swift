/// Why a regular expression cannot be read.
public struct PatternFault: Error, Sendable, Equatable {
    /// The character at which that shows, counted from 1; nil if the whole is at fault.
    public let position: Int?
    /// What is wrong.
    public let reason: String
    /// What can be written in its place.
    public let fix: String
}

extension PatternFault: CustomStringConvertible {
    public var description: String { reason + (position.map { ", at character \($0)" } ?? "") }
}
