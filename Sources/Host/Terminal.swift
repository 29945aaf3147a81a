// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The terminal as a screen: another one than that of the shell, keys without a newline, given back at the end.
///
/// Source: termios(3), ioctl_tty(2), xterm's alternate screen.
package struct Terminal: ~Copyable {
  package struct Size: Hashable, Sendable {
    package var rows: Int
    package var columns: Int

    package init(rows: Int, columns: Int) {
      self.rows = rows
      self.columns = columns
    }
  }

  private let before: termios

  /// Nil where standard input or output is no terminal.
  package init?() {
    var settings = termios()
    guard isatty(STDOUT_FILENO) == 1, tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
    before = settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
    Terminal.say("\u{1b}[?1049h\u{1b}[?25l")
  }

  deinit {
    Terminal.say("\u{1b}[?25h\u{1b}[?1049l")
    var settings = before
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings)
  }

  /// As it is now; 24 by 80 where it does not say.
  package var size: Size {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
      return Size(rows: 24, columns: 80)
    }
    return Size(rows: Int(size.ws_row), columns: Int(size.ws_col))
  }

  /// Shows these lines from the top, and nothing below them.
  package func show(_ lines: [String]) {
    let body = lines.map { $0 + "\u{1b}[K" }.joined(separator: "\r\n")
    Terminal.say("\u{1b}[H" + body + "\u{1b}[J")
  }

  /// The bytes of the keys that were pressed.
  package func keys() -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = read(STDIN_FILENO, &buffer, buffer.count)
    return Array(buffer.prefix(max(0, count)))
  }

  private static func say(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}
