// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/Requests.h"

#include "app/session/SampleData.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <algorithm>

namespace qs::app {

Result<TokenWindows> windowsFor(const Model& model, const TextRequest& request, bool evaluation) {
    QS_CHECK(model.requireTokenizer());
    std::string text;
    if (request.file.isEmpty()) {
        QS_TRY(text, builtInText(evaluation ? BuiltInText::Evaluation : BuiltInText::Calibration));
    } else {
        QS_TRY(text, readTextFile(request.file.toStdString()));
    }
    return windowsFromText(*model.tokenizer(), text, size_t(std::max(2, request.windowLength)),
                           size_t(std::max(0, request.windows)));
}

QString textName(const TextRequest& request) {
    return request.file.isEmpty() ? QCoreApplication::translate("Session", "built-in text")
                                  : QFileInfo(request.file).fileName();
}

} // namespace qs::app
