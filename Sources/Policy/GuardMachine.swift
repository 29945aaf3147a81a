// SPDX-License-Identifier: Apache-2.0
import Events

/// When the guard sends which signal: calm, then SIGTERM and a grace period, then SIGKILL, then a look whether memory came
/// back before anybody else is taken.
///
/// A state machine: needs and what is seen of the victim in, actions out. It holds no reference and asks for no memory.
package struct GuardMachine: Sendable {
  /// Where it stands.
  package enum State: Hashable, Sendable {
    case calm
    case terminating(deadline: Int64)
    case killing(deadline: Int64)
    /// The victim is gone; what it held may still be on its way back.
    case settling(until: Int64)
    /// Nobody could be taken: no new look before this.
    case pausing(until: Int64)
  }

  package enum Action: Hashable, Sendable {
    /// Nothing to do before this moment; nil: as the pace of the memory says.
    case rest(until: Int64?)
    /// Take somebody.
    case choose(GuardNeed)
    /// SIGKILL to the one that got SIGTERM.
    case escalate
    /// The victim is gone.
    case ended
    /// Memory came back before the victim went: it lives.
    case spared
    /// It does not go though it was killed: somebody else may be taken, and never this one.
    case gaveUp
  }

  package struct Timing: Hashable, Sendable {
    /// From SIGTERM to SIGKILL.
    package var graceNanoseconds: Int64 = 5_000_000_000
    /// A killed process that has not gone by then will not soon.
    package var killNanoseconds: Int64 = 2_000_000_000
    package var settleNanoseconds: Int64 = 20_000_000
    package var pauseNanoseconds: Int64 = 1_000_000_000
    /// How often a victim that is on its way and memory are looked at.
    package var watchNanoseconds: Int64 = 5_000_000

    package init() {}
  }

  package private(set) var state = State.calm
  private let timing: Timing

  package init(_ timing: Timing = Timing()) { self.timing = timing }

  /// Takes what is needed now, and whether the victim is gone; all moments are CLOCK_MONOTONIC.
  package mutating func step(_ need: GuardNeed, victimIsGone: Bool, now: Int64) -> Action {
    switch state {
    case .calm: return need == .none ? .rest(until: nil) : .choose(need)
    case .pausing(let until):
      if now < until { return .rest(until: until) }
      state = .calm
      return step(need, victimIsGone: victimIsGone, now: now)
    case .settling(let until):
      if need != .none, now < until { return .rest(until: min(until, now + timing.watchNanoseconds)) }
      state = .calm
      return step(need, victimIsGone: victimIsGone, now: now)
    case .terminating(let deadline):
      if victimIsGone { return end(now) }
      if need == .kill { return .escalate }
      guard now >= deadline else { return .rest(until: min(deadline, now + timing.watchNanoseconds)) }
      if need != .none { return .escalate }
      state = .calm
      return .spared
    case .killing(let deadline):
      if victimIsGone { return end(now) }
      guard now >= deadline else { return .rest(until: min(deadline, now + timing.watchNanoseconds)) }
      state = .calm
      return .gaveUp
    }
  }

  /// A signal was sent, by `.choose` or `.escalate`.
  package mutating func signalled(kill: Bool, now: Int64) {
    state =
      kill
      ? .killing(deadline: now + timing.killNanoseconds) : .terminating(deadline: now + timing.graceNanoseconds)
  }

  /// `.choose` or `.escalate` came to nothing: nobody may be taken, or the signal was refused.
  package mutating func failed(now: Int64) { state = .pausing(until: now + timing.pauseNanoseconds) }

  private mutating func end(_ now: Int64) -> Action {
    state = .settling(until: now + timing.settleNanoseconds)
    return .ended
  }
}
