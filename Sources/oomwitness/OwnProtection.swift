// SPDX-License-Identifier: Apache-2.0
import Glibc
import Host

/// Keeps this process alive and in memory, and says what of that could not be had: the host may be short of memory when
/// it matters.
enum OwnProtection {
  static func apply() {
    for refusal in SelfProtection.apply() {
      switch refusal {
      case .oomScoreAdj(let number):
        Diagnostic.say(
          "the kernel may choose this process as a victim: oom_score_adj -1000 was refused, "
            + "\(Wording.text(number)) (needs CAP_SYS_RESOURCE)")
      case .memoryLock(let number):
        Diagnostic.say("memory is not locked: \(Wording.text(number)) (needs CAP_IPC_LOCK)")
      }
    }
  }
}
