// SPDX-License-Identifier: GPL-3.0-or-later
// What a window holds that stands out, as lists: massive activations, attention sinks, super-weight
// candidates with what changing them does.
#pragma once

#include "app/session/ProbeState.h"

#include <QWidget>

class QLabel;
class QPushButton;
class QStandardItemModel;
class QTableView;

namespace qs::ui {
class KeyValueGrid;
class SectionHeader;
} // namespace qs::ui

namespace qs::app {

class TokenListsPane : public QWidget {
    Q_OBJECT
public:
    enum Roles { TokenRole = Qt::UserRole + 1, ChannelRole, IndexRole, ShareRole };

    explicit TokenListsPane(ProbeState* state, QWidget* parent = nullptr);
    QTableView* massiveView() const { return m_massive; }
    QTableView* sinkView() const { return m_sinks; }
    QTableView* superView() const { return m_super; }
    QSize sizeHint() const override { return {310, 600}; }

signals:
    /// A tensor and a channel of it (an output row), chosen in the list of candidates.
    void tensorRequested(const QString& module, int row);
    /// One undo step: the tensor stays in its source format.
    void keepRequested(const QString& module);

private:
    QTableView* makeTable(const char* name, const QString& accessible, QStandardItemModel* model, int height);
    QWidget* makeWhatIf();
    void showMassive();
    void showSinks();
    void showSpikes();
    void showSpike();
    void showAnswer();
    void markCrosshair();
    void chooseSpike(int row);
    QString tokenText(size_t token) const;
    const DownSpike* spike() const; ///< the chosen one

    ProbeState* m_state;
    ui::SectionHeader *m_massiveHead, *m_superHead, *m_whatIfHead;
    QStandardItemModel *m_massiveModel, *m_sinkModel, *m_superModel;
    QTableView *m_massive, *m_sinks, *m_super;
    QLabel *m_massiveNote, *m_sinkNote, *m_whatIfNote;
    ui::KeyValueGrid *m_facts, *m_answer;
    QPushButton *m_measure, *m_keep, *m_open;
    std::vector<DownSpike> m_spikes;
    int m_spike = -1;
};

} // namespace qs::app
