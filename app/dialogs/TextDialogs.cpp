// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/dialogs/TextDialogs.h"

#include "widgets/theme/Style.h"

#include <QCheckBox>
#include <QDialogButtonBox>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

namespace qs::app {

TextDialog::TextDialog(Session* session, FileDialogs* files, bool evaluation, const QString& title,
                       const QString& intro, const QString& verb, QWidget* parent)
    : QDialog(parent), m_form(new TextForm(session, files, evaluation)), m_extra(new QVBoxLayout) {
    setWindowTitle(title);
    setAttribute(Qt::WA_DeleteOnClose);
    auto* words = new QLabel(intro);
    words->setWordWrap(true);
    words->setTextFormat(Qt::PlainText);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel);
    m_start = buttons->addButton(verb, QDialogButtonBox::AcceptRole);
    m_start->setObjectName(QStringLiteral("start"));
    ui::makePrimary(m_start);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(16, 14, 16, 12);
    layout->setSpacing(12);
    layout->addWidget(words);
    layout->addWidget(m_form);
    layout->addLayout(m_extra);
    layout->addStretch();
    layout->addWidget(buttons);
    buttons->button(QDialogButtonBox::Cancel)->setAutoDefault(false);
    m_start->setDefault(true);
    setMinimumWidth(460);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    const auto update = [this] {
        m_start->setEnabled(m_form->ready());
        m_start->setToolTip(m_form->ready() ? QString() : tr("The text must give at least one window."));
    };
    connect(m_form, &TextForm::readyChanged, this, update);
    update();
}

CalibrateDialog::CalibrateDialog(Session* session, FileDialogs* files, QWidget* parent)
    : TextDialog(session, files, false, tr("Calibrate"),
                 tr("Runs the model over a text, block by block, and records what every layer receives. The "
                    "result is "
                    "kept and reused: the same text and model are read only once."),
                 tr("Calibrate"), parent) {
    setObjectName(QStringLiteral("calibrateDialog"));
}

CalibrateRequest CalibrateDialog::request() const {
    CalibrateRequest r;
    r.text = textRequest();
    return r;
}

EvaluateDialog::EvaluateDialog(Session* session, FileDialogs* files,
                               std::vector<std::shared_ptr<const Run>> others, QWidget* parent)
    : TextDialog(session, files, true, tr("Evaluate"),
                 tr("Measures perplexity with its standard error and, for the run, the KL divergence to the "
                    "original "
                    "and how often both choose the same token."),
                 tr("Evaluate"), parent)
    , m_others(std::move(others))
    , m_run(new QCheckBox(m_others.empty() ? tr("The run, compared with the original")
                                           : tr("The runs, compared with the original"))) {
    setObjectName(QStringLiteral("evaluateDialog"));
    const bool complete = (session->run() && session->run()->complete()) || !m_others.empty();
    m_run->setChecked(complete);
    m_run->setEnabled(complete);
    m_run->setToolTip(complete ? QString() : tr("No run is complete yet. Run the recipe first."));
    m_run->setObjectName(QStringLiteral("evaluateRun"));
    extra()->addWidget(m_run);
}

EvaluateRequest EvaluateDialog::request() const {
    EvaluateRequest r;
    r.text = textRequest();
    r.run = m_run->isChecked();
    if (r.run) r.others = m_others;
    return r;
}

} // namespace qs::app
