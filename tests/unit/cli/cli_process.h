// SPDX-License-Identifier: Apache-2.0
// Runs quantoscope-cli (the program named by QS_CLI) as scripts do.
#pragma once

#include "tests/support/qs_test.h"

#include <QProcess>
#include <nlohmann/json.hpp>

namespace qs::test {

constexpr int kTimeoutMs = 240000;

struct Outcome {
    int code = -1; ///< -1: crashed, was killed or did not finish
    QByteArray out, err;
    nlohmann::json json() const { return nlohmann::json::parse(out.toStdString(), nullptr, false); }
};

inline QString cliProgram() {
    return qEnvironmentVariable("QS_CLI");
}
inline QString text(const std::filesystem::path& path) {
    return QString::fromStdString(path.string());
}

inline Outcome finish(QProcess& process) {
    Outcome o;
    if (process.waitForFinished(kTimeoutMs) && process.exitStatus() == QProcess::NormalExit)
        o.code = process.exitCode();
    o.out = process.readAllStandardOutput();
    o.err = process.readAllStandardError();
    return o;
}

inline Outcome cli(const QStringList& arguments) {
    QProcess process;
    process.start(cliProgram(), arguments);
    return finish(process);
}

} // namespace qs::test

/// Exit code as expected, else both streams are shown.
#define QS_EXIT(outcome, expected)                                                                           \
    QVERIFY2((outcome).code == (expected),                                                                   \
             ("exit code " + QByteArray::number((outcome).code) + "\n" + (outcome).out + (outcome).err)      \
                 .constData())
