// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/pages/TuneTensorPane.h"

#include "app/pages/TunePictures.h"
#include "widgets/editors/StopSlider.h"
#include "widgets/views/ToolRow.h"

#include <QPushButton>
#include <QVBoxLayout>
#include <algorithm>

namespace qs::app {

TuneTensorPane::TuneTensorPane(Session* session, TuneState* state, QWidget* parent)
    : QWidget(parent)
    , m_session(session)
    , m_state(state)
    , m_row(new ui::ToolRow)
    , m_title(m_row->addTitle(tr("Tensor")))
    , m_facts(m_row->addLabel({}))
    , m_lock(new QPushButton(tr("Lock")))
    , m_slider(new ui::StopSlider)
    , m_chart(new ui::CostChart(QStringLiteral("tensor-damage"), tr("Damage against bits of the tensor"))) {
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    m_row->addStretch();
    m_lock->setObjectName(QStringLiteral("tuneLock"));
    m_lock->setCheckable(true);
    m_row->addWidget(m_lock);
    m_slider->setObjectName(QStringLiteral("tuneSlider"));
    m_slider->setAccessibleName(tr("Scheme of the selected tensors"));
    layout->addWidget(m_row);
    layout->addWidget(m_slider);
    layout->addWidget(m_chart, 1);
    connect(m_slider, &ui::StopSlider::stopChosen, this,
            [this](int stop, int dragId) { choose(size_t(stop), dragId); });
    connect(m_chart, &ui::CostChart::markActivated, this, [this](int mark) {
        const int current = m_session->selection()->current();
        const auto candidate = candidateOfMark(*m_state, current, size_t(mark));
        if (!candidate) return;
        const QString why = m_session->table()->edit(
            {current}, ui::SchemeEdit::replace(m_state->table()->candidates[*candidate]));
        if (!why.isEmpty()) emit editRefused(why);
    });
    connect(m_lock, &QPushButton::clicked, this,
            [this](bool on) { m_state->setLocked(m_session->selection()->targets(), on); });
}

bool TuneTensorPane::dragging() const {
    return m_slider->isSliderDown();
}

QVector<int> TuneTensorPane::moved() const {
    const ui::TargetSelection& selection = *m_session->selection();
    return selection.contains(selection.current()) ? selection.targets() : QVector<int>{selection.current()};
}

void TuneTensorPane::choose(size_t stop, int dragId) {
    if (m_session->selection()->current() < 0 || stop >= m_schemes.size()) return;
    const auto& scheme = m_schemes[stop];
    const QString why = m_session->table()->edit(
        moved(), scheme ? ui::SchemeEdit::replace(*scheme) : ui::SchemeEdit::keep(), dragId);
    if (why.isEmpty()) return;
    emit editRefused(why);
    refresh(); // back to where the tensor is
}

void TuneTensorPane::refresh() {
    const ui::TargetSelection& selection = *m_session->selection();
    const int current = selection.current();
    const bool any = current >= 0 && current < m_session->table()->count();
    QString title = any ? m_session->table()->row(current).module : tr("Tensor");
    if (any && moved().size() > 1) title += tr(" and %n more", nullptr, int(moved().size()) - 1);
    m_title->setText(title);
    m_facts->setText(any ? tensorFacts(*m_session, current) : QString());
    showSlider(any ? current : -1);
    showLock();
    m_chart->setData(tensorPicture(*m_state, any ? current : -1));
}

void TuneTensorPane::showSlider(int current) {
    const TuneStops stops = stopsOf(*m_state, *m_session, current);
    m_schemes = stops.schemes;
    m_slider->setStops(stops.labels, stops.current);
}

void TuneTensorPane::showLock() {
    const QVector<int>& selected = m_session->selection()->targets();
    const bool allLocked = !selected.isEmpty() && std::all_of(selected.begin(), selected.end(),
                                                              [&](int t) { return m_state->isLocked(t); });
    m_lock->setEnabled(!selected.isEmpty());
    m_lock->setChecked(allLocked);
    m_lock->setText(allLocked ? tr("Locked") : tr("Lock"));
    m_lock->setToolTip(tr("Solving leaves the selected tensors as they are. %n are locked.", nullptr,
                          m_state->lockedCount()));
}

} // namespace qs::app
