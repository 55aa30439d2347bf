// SPDX-License-Identifier: GPL-3.0-or-later
// The two dialogs that choose a text: Calibrate and Evaluate. Window-modal, opened with open(), no nested
// loop.
#pragma once

#include "app/dialogs/TextForm.h"

#include <QDialog>

class QCheckBox;
class QPushButton;
class QVBoxLayout;

namespace qs::app {

class TextDialog : public QDialog {
    Q_OBJECT
public:
    TextRequest textRequest() const { return m_form->request(); }
    TextForm* form() const { return m_form; }

protected:
    TextDialog(Session* session, FileDialogs* files, bool evaluation, const QString& title,
               const QString& intro, const QString& verb, QWidget* parent);
    QVBoxLayout* extra() const { return m_extra; } ///< between the form and the buttons

private:
    TextForm* m_form;
    QVBoxLayout* m_extra;
    QPushButton* m_start;
};

class CalibrateDialog : public TextDialog {
    Q_OBJECT
public:
    CalibrateDialog(Session* session, FileDialogs* files, QWidget* parent = nullptr);
    CalibrateRequest request() const;
};

class EvaluateDialog : public TextDialog {
    Q_OBJECT
public:
    /// `others`: runs beside the session's that are measured with it.
    EvaluateDialog(Session* session, FileDialogs* files, std::vector<std::shared_ptr<const Run>> others,
                   QWidget* parent = nullptr);
    EvaluateRequest request() const;

private:
    std::vector<std::shared_ptr<const Run>> m_others;
    QCheckBox* m_run;
};

} // namespace qs::app
