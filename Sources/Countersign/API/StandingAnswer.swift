/// An answer that says where its subject stands: an attestation has the states of the artifact that it is about.
package protocol StandingAnswer {
    /// A ``TargetState``, or a word of a newer daemon.
    var state: String { get }
    /// Whether what is signed is being looked at again; a daemon of an older version may not say.
    var recheck: Bool? { get }
    /// Whether the last look found the signature broken; a daemon of an older version may not say.
    var broken: Bool? { get }
}

extension StandingAnswer {
    /// Whether nothing more happens by itself.
    package var isSettled: Bool { TargetState(rawValue: state)?.isFinal == true && recheck != true }

    /// Whether it is signed, for all that is known.
    package var isSound: Bool { state == TargetState.signed.rawValue && broken != true }
}
