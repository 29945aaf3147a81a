// SPDX-License-Identifier: Apache-2.0

/// Rules that ship with the program: each a list of rules in YAML, with comments that say why.
///
/// File: deploy/protect.yaml, which is `text` and held equal by a test.
package struct Preset: Hashable, Sendable {
  /// As `--preset` takes it.
  package let name: String
  private let rules: String

  package static let all: [Preset] = [
    Preset(name: "sshd", rules: sshd), Preset(name: "databases", rules: databases),
    Preset(name: "web-servers", rules: webServers), Preset(name: "browsers", rules: browsers),
    Preset(name: "developer-tools", rules: developerTools),
  ]

  package static func named(_ name: String) -> Preset? { all.first { $0.name == name } }

  /// This preset alone, as a file of rules.
  package var text: String { "rules:\n" + rules }

  /// All presets, as one file of rules.
  package static var text: String { head + "rules:\n" + all.map(\.rules).joined(separator: "\n") }

  private static let head = """
    # The presets of `oomwitness protect`. Print them with `oomwitness protect presets [NAME]`, take one with
    # --preset NAME, or copy this file, change it and take it with --rules FILE.
    #
    # A value counts in thousandths of the memory of the domain: in 16 GiB, -500 makes a process look 8 GiB smaller to
    # the OOM killer, and 10 makes it look 160 MiB bigger. Children inherit the value of their parent.

    """

  private static let sshd = #"""
      # The way in, when all else is stuck. The listener alone: the sessions below it, and every shell in them, would
      # hand the value on to whatever is started there. Sessions call themselves `sshd: user`, and begin as `sshd -D -R`.
      # OpenSSH sets its listener to -1000 by itself where it has the right; -999 is as safe, and lets a listener that
      # leaks still be killed.
      - name: sshd listener
        match:
          comm: sshd
          cmdline: ['/*ssh*[!R]', 'sshd: /*']
        oom_score_adj: -999
        reason: the way in when memory is short

    """#

  private static let databases = #"""
      # A database that is killed replays its log for minutes. It is often the biggest process as well, so it is chosen
      # first where nothing speaks for it. Not lower: if it is the database that leaks, it must be possible to kill it.
      - name: databases
        match:
          comm: [mysqld, mariadbd, postgres, mongod, redis-server, valkey-server, etcd]
        oom_score_adj: -500
        reason: recovery after a kill takes long, and clients fail meanwhile

    """#

  private static let webServers = #"""
      # Masters and workers: a master starts a worker again that was killed, but requests are lost with it.
      - name: web servers
        match:
          comm: [nginx, apache2, httpd, caddy, lighttpd, haproxy]
        oom_score_adj: -300
        reason: small, and everything behind them is unreachable without them

    """#

  private static let browsers = #"""
      # A tab that dies can be loaded again. A browser raises its own tabs too: this overrules what it has chosen.
      - name: browsers
        match:
          comm: [chrome, chromium, firefox, firefox-esr, 'Web Content', 'Isolated Web Co*', WebKitWebProces*]
        oom_score_adj: 300
        reason: a tab can be loaded again

    """#

  private static let developerTools = #"""
      # Editors and their language servers. Terminals inside an editor inherit the value, and so do builds in them.
      - name: developer tools
        match:
          comm: [code, idea, pycharm, clion, goland, clangd, rust-analyzer, gopls, sourcekit-lsp]
        oom_score_adj: 200
        reason: what they hold is on disk, and they start again in seconds

    """#
}
