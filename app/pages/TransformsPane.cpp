// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TransformsPane.h"

#include "widgets/editors/TransformsEditor.h"

#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

QString whyNoTransforms(const Model* model) {
    if (!model) return TransformsPane::tr("Open a model first.");
    if (!model->hasForward())
        return TransformsPane::tr("It is not known which layer feeds which: %1")
            .arg(QString::fromStdString(model->noForwardReason()));
    const auto& blocks = model->spec().blocks;
    if (std::all_of(blocks.begin(), blocks.end(), [](const BlockSpec& b) { return b.folds.empty(); }))
        return TransformsPane::tr("No layer of this architecture reads channels that can be scaled without "
                                  "changing what the model computes.");
    return {};
}

TransformsPane::TransformsPane(Session* session, QWidget* parent)
    : QWidget(parent), m_session(session), m_editor(new ui::TransformsEditor), m_note(new ToneLabel) {
    setObjectName(QStringLiteral("transformsPane"));
    m_note->setObjectName(QStringLiteral("transformsNote"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(4);
    layout->addWidget(m_editor);
    layout->addWidget(m_note);
    setFocusProxy(m_editor->addButton());
    connect(m_editor, &ui::TransformsEditor::edited, this,
            [this](const std::vector<TransformUse>& transforms, const QString& what) {
                ModelSettings settings = m_session->table()->settings().model();
                settings.transforms = transforms;
                m_session->table()->setModelSettings(settings, what);
            });
    connect(session->table(), &SchemeTable::planChanged, this, &TransformsPane::refresh);
    connect(session, &Session::modelChanged, this, &TransformsPane::refresh);
    connect(session, &Session::calibrationChanged, this, &TransformsPane::refresh);
    refresh();
}

void TransformsPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void TransformsPane::refresh() {
    if (!isVisible()) return; // the rules look at every tensor
    m_editor->setTransforms(m_session->table()->settings().transforms);
    m_editor->setBlocker(whyNoTransforms(m_session->model().get()));
    showNote();
}

void TransformsPane::showNote() {
    const auto show = [this](const QString& text, ToneLabel::Tone tone = ToneLabel::Tone::Hint) {
        m_note->setTone(tone);
        m_note->setText(text);
    };
    if (m_session->table()->settings().transforms.empty()) {
        const QString why = whyNoTransforms(m_session->model().get());
        return show(why.isEmpty() ? tr("None: the weights are quantized as they are.") : why);
    }
    auto issues = m_session->table()->transformIssues();
    std::stable_sort(issues.begin(), issues.end(),
                     [](const LintIssue& a, const LintIssue& b) { return a.severity > b.severity; });
    if (!issues.empty() && issues.front().severity != Severity::Info) {
        const LintIssue& i = issues.front();
        return show(QString::fromStdString(i.where.empty() ? i.message : i.where + ": " + i.message),
                    i.severity == Severity::Error ? ToneLabel::Tone::Error : ToneLabel::Tone::Hint);
    }
    if (!m_session->calibration())
        return show(tr("Factors are chosen from activations, which are not measured yet. Calibrate first."),
                    ToneLabel::Tone::Error);
    show(tr("Applied from top to bottom, block by block, as the run reaches it."));
}

} // namespace qs::app
