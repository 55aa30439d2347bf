// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/AnatomyPane.h"

#include "app/pages/LensPictures.h"
#include "widgets/models/Metric.h"
#include "widgets/theme/Theme.h"
#include "widgets/views/ToolRow.h"

#include <QSignalBlocker>
#include <QSpinBox>
#include <QVBoxLayout>

namespace qs::app {

AnatomyPane::AnatomyPane(Session* session, Lens* lens, QWidget* parent)
    : QWidget(parent)
    , m_lens(lens)
    , m_trials(session, lens)
    , m_row(new QSpinBox)
    , m_group(new QSpinBox)
    , m_anatomy(new ui::AnatomyWidget) {
    setObjectName(QStringLiteral("anatomyPane"));
    m_anatomy->setObjectName(QStringLiteral("anatomy"));
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeToolRow());
    layout->addWidget(m_anatomy, 1);
    connect(&m_trials, &MethodTrials::changed, this, &AnatomyPane::refresh);
    connect(lens, &Lens::changed, this, &AnatomyPane::fitSpins);
    connect(m_anatomy, &ui::AnatomyWidget::columnSelected, this, &AnatomyPane::columnSelected);
    fitSpins();
    refresh();
}

QWidget* AnatomyPane::makeToolRow() {
    auto* tools = new ui::ToolRow;
    tools->addTitle(tr("Anatomy"));
    const auto add = [&](QSpinBox* box, const QString& text, const char* name) {
        box->setObjectName(QString::fromLatin1(name));
        box->setAccessibleName(text);
        box->setKeyboardTracking(false);
        box->setPrefix(text + QLatin1Char(' ')); // a label beside it would go first in a narrow row
        box->setMinimumWidth(96);
        tools->addWidget(box);
        connect(box, &QSpinBox::valueChanged, this, [this] {
            m_trials.setGroup(size_t(m_row->value()), size_t(m_group->value()));
            emit groupChanged(m_row->value(), m_group->value());
        });
    };
    add(m_row, tr("row"), "anatomyRow");
    add(m_group, tr("group"), "anatomyGroup");
    m_what = tools->addLabel({});
    tools->addStretch();
    tools->addLabel(tr("○ weight   ▬ its level   bold violet: not the nearest level"));
    return tools;
}

void AnatomyPane::setGroup(int row, int group) {
    const QSignalBlocker blockRow(m_row), blockGroup(m_group);
    m_row->setValue(row);
    m_group->setValue(group);
    m_trials.setGroup(size_t(m_row->value()), size_t(m_group->value()));
}

void AnatomyPane::fitSpins() {
    const auto view = m_lens->original();
    const bool has = view && view->report.levels > 0;
    const QSignalBlocker blockRow(m_row), blockGroup(m_group);
    m_row->setMaximum(has ? int(view->report.rows) - 1 : 0);
    m_group->setMaximum(has ? int(view->report.layout.groups) - 1 : 0);
    m_row->setEnabled(has);
    m_group->setEnabled(has && m_group->maximum() > 0);
    m_group->setToolTip(has && m_group->maximum() == 0 ? tr("One scale serves the whole row.") : QString());
    refresh();
}

void AnatomyPane::refresh() {
    const auto picture = anatomyPicture(*m_lens, m_trials);
    m_anatomy->setData(picture);
    if (picture->columns.isEmpty()) {
        m_what->clear();
        return;
    }
    const QSignalBlocker blockRow(m_row), blockGroup(m_group);
    m_row->setValue(picture->row);
    m_group->setValue(picture->group);
    m_what->setText(tr("weights %1–%2 · %3 values", nullptr, int(picture->columns.size()))
                        .arg(picture->columns.front())
                        .arg(picture->columns.back())
                        .arg(ui::integerText(picture->columns.size())));
}

QString AnatomyPane::valuesAsTsv() const {
    return m_anatomy->toCsv().replace(QLatin1Char(','), QLatin1Char('\t'));
}

} // namespace qs::app
