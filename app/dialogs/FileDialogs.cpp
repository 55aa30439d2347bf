// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dialogs/FileDialogs.h"

#include <QFileDialog>
#include <QFileInfo>

namespace qs::app {

void FileDialogs::ask(QWidget* parent, const FileQuestion& question, Answer answer) {
    auto* dialog = new QFileDialog(parent, question.title, question.start.isEmpty() ? m_last : question.start,
                                   question.filter);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    switch (question.kind) {
    case FileQuestion::Kind::OpenFile:
        dialog->setFileMode(QFileDialog::ExistingFile);
        break;
    case FileQuestion::Kind::OpenFolder:
        dialog->setFileMode(QFileDialog::Directory);
        dialog->setOption(QFileDialog::ShowDirsOnly);
        break;
    case FileQuestion::Kind::SaveFile:
        dialog->setAcceptMode(QFileDialog::AcceptSave);
        dialog->setFileMode(QFileDialog::AnyFile);
        dialog->setDefaultSuffix(question.suffix);
        break;
    }
    connect(dialog, &QFileDialog::fileSelected, this,
            [this, answer = std::move(answer)](const QString& path) {
                m_last = QFileInfo(path).absolutePath();
                answer(path);
            });
    dialog->open();
}

} // namespace qs::app
