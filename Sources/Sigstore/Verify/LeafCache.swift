import FoundationEssentials
import OpenSSL
import Synchronization

/// A leaf certificate whose chain holds, and what is known of its transparency. What is left to check is only whether a
/// time lies in every validity.
struct VerifiedLeaf: Sendable {
    let chain: [Certificate]
    let authority: TrustedAuthority
    /// The log whose embedded timestamp holds, or why none does.
    let ctLog: Result<TrustedLog, VerificationError>
    let identity: String
    let issuer: String
    let extensions: [FulcioExtension]

    func isValid(at time: Date) -> Bool {
        authority.validity.contains(time) && chain.allSatisfy { $0.notBefore <= time && time <= $0.notAfter }
    }
}

/// The last leaf certificates that verified, by the SHA-256 of their DER; least recently used ones are dropped.
///
/// Only certificates that chain to the trusted root are remembered: others are rare, and remembering them would let a
/// stranger fill the cache.
final class LeafCache: Sendable {
    private struct Slot {
        let leaf: VerifiedLeaf
        var used: UInt64
    }

    private struct State {
        var slots: [[UInt8]: Slot] = [:]
        var clock: UInt64 = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) { self.capacity = max(1, capacity) }

    func leaf(for der: [UInt8]) -> VerifiedLeaf? {
        let key = Hash.sha256(der)
        return state.withLock { state in
            state.clock += 1
            guard var slot = state.slots[key] else { return nil }
            slot.used = state.clock
            state.slots[key] = slot
            return slot.leaf
        }
    }

    func remember(_ leaf: VerifiedLeaf, for der: [UInt8]) {
        let key = Hash.sha256(der)
        state.withLock { state in
            state.clock += 1
            state.slots[key] = Slot(leaf: leaf, used: state.clock)
            guard state.slots.count > capacity else { return }
            // a quarter at once, so that the search for the oldest is not repeated for every certificate
            let oldest = state.slots.sorted { $0.value.used < $1.value.used }.prefix(max(1, capacity / 4))
            for (key, _) in oldest { state.slots[key] = nil }
        }
    }
}
