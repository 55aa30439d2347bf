// SPDX-License-Identifier: Apache-2.0
// Shared test plumbing. A test file defines one QObject class and registers it with QS_TEST(Class); the
// area's executable runs all of them, or one with `--class Class`. Data outside the repository comes from
// QS_SHARED and is skipped when absent.
#pragma once

#include "core/base/result.h"

#include <QtTest>
#include <filesystem>
#include <functional>

namespace qs::test {

using TestFactory = std::function<QObject*()>;
bool registerTest(const char* name, TestFactory factory);

/// The project's source folder (resources, golden files).
std::filesystem::path sourceDir();
/// The built-in sample model's folder.
std::filesystem::path sampleModel();
/// QS_SHARED (default ../shared beside the source folder); empty path when absent.
std::filesystem::path sharedDir();
/// A fresh empty folder, removed when the process ends normally.
std::filesystem::path scratchDir(const char* name);

} // namespace qs::test

#define QS_TEST(Class)                                                                                       \
    static const bool Class##Registered = qs::test::registerTest(#Class, [] { return new Class; });

/// Fails the test with the error's text when a Result is an error.
#define QS_VERIFY_OK(result)                                                                                 \
    do {                                                                                                     \
        const auto& qsOk = (result);                                                                         \
        if (!qsOk.has_value()) QFAIL(qPrintable(QString::fromStdString(qsOk.error().describe())));           \
    } while (false)

/// Skips (with the reason) when the shared data folder is absent.
#define QS_NEED_SHARED(variable)                                                                             \
    const std::filesystem::path variable = qs::test::sharedDir();                                            \
    if (variable.empty()) QSKIP("reference data folder (QS_SHARED) is not present")
