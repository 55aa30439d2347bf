// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/ActivationsPane.h"

#include "core/recipe/plan_rules.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QVBoxLayout>

namespace qs::app {

ActivationsPane::ActivationsPane(Session* session, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_cache(new QComboBox)
    , m_tokenWeights(new QCheckBox(tr("Attended tokens count more")))
    , m_note(new ToneLabel) {
    setObjectName(QStringLiteral("activationsPane"));
    auto* label = new QLabel(tr("&KV cache"));
    label->setBuddy(m_cache);
    m_cache->setObjectName(QStringLiteral("kvCache"));
    m_cache->setAccessibleName(tr("KV cache"));
    m_cache->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_cache->setMinimumContentsLength(10);
    m_tokenWeights->setObjectName(QStringLiteral("tokenWeights"));
    auto* row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(m_cache, 1);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(6);
    layout->addLayout(row);
    layout->addWidget(m_tokenWeights);
    layout->addWidget(m_note);
    connect(m_cache, &QComboBox::activated, this, &ActivationsPane::chooseCache);
    connect(m_tokenWeights, &QCheckBox::clicked, this, &ActivationsPane::chooseTokenWeights);
    connect(session->table(), &SchemeTable::planChanged, this, &ActivationsPane::refresh);
    connect(session, &Session::modelChanged, this, &ActivationsPane::refresh);
}

void ActivationsPane::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

/// The presets, and the present scheme where it is none of them.
void ActivationsPane::showCache(const std::optional<KvScheme>& present) {
    const QSignalBlocker quiet(m_cache);
    m_cache->clear();
    m_cache->addItem(tr("as computed"), QString());
    int at = present ? -1 : 0;
    for (const std::string& name : KvScheme::presets()) {
        m_cache->addItem(QString::fromStdString(name), QString::fromStdString(name));
        if (const auto preset = KvScheme::preset(name); present && preset && *preset == *present)
            at = m_cache->count() - 1;
    }
    if (at < 0) {
        m_cache->addItem(QString::fromStdString(present->label()), QVariant());
        at = m_cache->count() - 1;
    }
    m_cache->setCurrentIndex(at);
}

void ActivationsPane::refresh() {
    if (!isVisible()) return; // every edit of the recipe comes by here
    const auto model = m_session->model();
    const ModelSettings now = settings();
    showCache(now.kvCache);
    m_tokenWeights->setChecked(now.tokenWeights.has_value());
    const QString why = !model                 ? tr("Open a model first.")
                        : !model->hasForward() ? QString::fromStdString(model->noForwardReason())
                                               : QString();
    m_cache->setEnabled(why.isEmpty());
    m_tokenWeights->setEnabled(why.isEmpty());
    m_cache->setToolTip(why.isEmpty()
                            ? tr("What keys and values are rounded to while the model runs, token by token "
                                 "in groups of 32 channels. Sizes of files do not change; runs and "
                                 "evaluations do.")
                            : why);
    m_tokenWeights->setToolTip(
        why.isEmpty() ? tr("In the second moments that methods like GPTQ work with, a token counts by the "
                           "attention that it receives (RSQ), from %1 to 1. Methods without calibration do "
                           "not change.")
                            .arg(QLocale().toString(now.tokenWeights.value_or(TokenWeights()).least))
                      : why);
    const auto issue = model ? ruleOnKvCache(now, *model) : std::nullopt;
    m_note->setVisible(issue.has_value());
    m_note->setTone(ToneLabel::Tone::Error);
    if (issue) m_note->setText(QString::fromStdString(issue->message));
}

void ActivationsPane::chooseCache(int index) {
    const QVariant chosen = m_cache->itemData(index);
    if (!chosen.isValid()) return; // the present scheme, which is no preset
    ModelSettings next = settings();
    next.kvCache.reset();
    if (const std::string name = chosen.toString().toStdString(); !name.empty())
        if (auto preset = KvScheme::preset(name)) next.kvCache = std::move(*preset);
    m_session->table()->setModelSettings(next, next.kvCache
                                                   ? tr("Round the KV cache to %1").arg(chosen.toString())
                                                   : tr("Leave the KV cache as computed"));
}

void ActivationsPane::chooseTokenWeights(bool on) {
    ModelSettings next = settings();
    next.tokenWeights.reset();
    if (on) next.tokenWeights = TokenWeights();
    m_session->table()->setModelSettings(next,
                                         on ? tr("Count tokens by attention") : tr("Count tokens alike"));
}

} // namespace qs::app
