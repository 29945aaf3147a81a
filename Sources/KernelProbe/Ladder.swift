// SPDX-License-Identifier: Apache-2.0
import Events

/// Tries the rungs from the most to the least, and keeps why each was refused.
package struct Ladder: Sendable {
  package struct Refusal: Sendable {
    package let rung: ProbeRung
    package let error: ProbeError
  }

  package let rungs: [ProbeRung]
  package let symbols: KernelSymbols

  /// - Parameter rungs: those to try, in this order.
  package init(rungs: [ProbeRung] = ProbeRung.allCases) {
    self.rungs = rungs
    symbols = KernelSymbols(interesting: RungPrograms.functions)
  }

  /// Attaches one rung.
  package func attach(_ rung: ProbeRung, settings: ProbeSettings) throws(ProbeError) -> AttachedProbe {
    try symbols.casting { casts throws(ProbeError) in
      let open = try OpenProbe(rung: rung, settings: settings, symbols: symbols, casts: casts)
      return try open.attach()
    }
  }

  /// Attaches the first rung that the kernel allows; `refused` is told of each that it does not.
  ///
  /// - Returns: nil where all were refused.
  package func attachFirst(_ settings: ProbeSettings, refused: (Refusal) -> Void) -> AttachedProbe? {
    for rung in rungs {
      do throws(ProbeError) {
        return try attach(rung, settings: settings)
      } catch {
        refused(Refusal(rung: rung, error: error))
      }
    }
    return nil
  }
}
