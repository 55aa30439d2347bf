// SPDX-License-Identifier: GPL-3.0-or-later
// The runs compared, one row each: A is the original.
#pragma once

#include "app/session/JudgeSet.h"

#include <QAbstractTableModel>

namespace qs::app {

class EvaluationModel : public QAbstractTableModel {
    Q_OBJECT
public:
    enum Column { Letter, Name, Recipe, Size, Bits, Kl, Perplexity, Top1, Kl99, Against, ColumnCount };
    enum Roles {
        LetterRole = Qt::UserRole + 1,
        ToneRole,  ///< int of ui::Chip::Tone, for the Against column; invalid without a chip
        ChipRole,  ///< the chip's text; DisplayRole is the whole cell
        ValueRole, ///< Kl and Perplexity: the number, its standard error, ends of the column's scale
        ErrorRole,
        LowRole,
        HighRole
    };

    explicit EvaluationModel(JudgeSet* set, QObject* parent = nullptr);
    void refresh();
    char letterAt(int row) const;
    int rowOf(char letter) const; ///< -1 when it is not there

    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Number {
        double value = std::numeric_limits<double>::quiet_NaN(), error = value;
    };
    struct Row {
        QString texts[ColumnCount];
        QString toolTip, chip, chipToolTip;
        int tone = -1;
        char letter = 'A';
        bool greyed = false; ///< not comparable with the reference
        Number kl, perplexity;
    };
    struct Scale {
        double low = 0, high = 0;
    };
    Row rowOf(const ComparedRun& run) const;
    void addSizes(Row& row, const ComparedRun& run) const;
    static void addMeasures(Row& row, const Evaluation& e);
    void addAgainst(Row& row, const ComparedRun& run) const;
    Scale scaleOf(Number Row::*number) const;
    QVariant interval(const Row& row, int column, int role) const;

    JudgeSet* m_set;
    std::vector<Row> m_rows;
    Scale m_klScale, m_perplexityScale;
};

} // namespace qs::app
