// SPDX-License-Identifier: Apache-2.0

/// Colours of a terminal, or none.
///
/// Whether there are any is the command's decision: a terminal, and no NO_COLOR. Source: no-color.org, ECMA-48 SGR.
package struct Style: Sendable {
  private let coloured: Bool

  package init(coloured: Bool) { self.coloured = coloured }

  package func strong(_ text: String) -> String { wrap(text, "1") }
  package func dim(_ text: String) -> String { wrap(text, "2") }
  package func alarm(_ text: String) -> String { wrap(text, "1;31") }
  package func warning(_ text: String) -> String { wrap(text, "1;33") }

  private func wrap(_ text: String, _ code: String) -> String {
    coloured ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }
}
