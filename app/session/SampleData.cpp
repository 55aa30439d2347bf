// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SampleData.h"

#include "core/base/file.h"

#include <QCoreApplication>
#include <QDir>

namespace qs::app {

QString sampleFolder() {
    const QString bin = QCoreApplication::applicationDirPath();
    for (const QString& candidate :
         {bin + QStringLiteral("/../share/quantoscope/sample"), QString::fromUtf8(QS_SAMPLE_FOLDER)})
        if (QDir(candidate + QStringLiteral("/model")).exists()) return QDir::cleanPath(candidate);
    return {};
}

QString sampleModelPath() {
    const QString folder = sampleFolder();
    return folder.isEmpty() ? folder : folder + QStringLiteral("/model");
}

Result<std::string> builtInText(BuiltInText text) {
    const QString folder = sampleFolder();
    if (folder.isEmpty()) return Error::notFound("the texts that come with the program are not installed");
    const char* name = text == BuiltInText::Calibration  ? "calibration.txt"
                       : text == BuiltInText::Evaluation ? "evaluation.txt"
                                                         : "prompts.txt";
    return readTextFile((folder + QStringLiteral("/texts/")).toStdString() + name);
}

} // namespace qs::app
