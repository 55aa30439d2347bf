// SPDX-License-Identifier: GPL-3.0-or-later
// Asking for a file or folder without a nested event loop. Tests answer through a subclass.
#pragma once

#include <QObject>
#include <QString>
#include <functional>

class QWidget;

namespace qs::app {

struct FileQuestion {
    enum class Kind { OpenFile, OpenFolder, SaveFile };
    Kind kind = Kind::OpenFile;
    QString title;
    QString filter = {}; ///< "Recipes (*.json)"
    QString start = {};  ///< folder or file to begin with; "": where the last question of this kind ended
    QString suffix = {}; ///< added to a saved name that has none
};

class FileDialogs : public QObject {
    Q_OBJECT
public:
    using Answer = std::function<void(const QString& path)>;
    using QObject::QObject;
    /// Calls `answer` later with the chosen path; never when the user cancels or `parent` goes away.
    virtual void ask(QWidget* parent, const FileQuestion& question, Answer answer);

private:
    QString m_last; ///< folder of the last answer
};

} // namespace qs::app
