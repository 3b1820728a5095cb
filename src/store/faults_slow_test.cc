// At every thirteenth operation of the disk; faults_long_test.cc takes them all.
#include "store/testing_faults.h"

namespace sextant::store::faults {
namespace {

constexpr uint64_t kStride = 13;

TEST(Faults, EachFailingOperationIsAnErrorAndLosesNothing) { run_with(Trouble::fails_once, Durability::sync, kStride); }
TEST(Faults, EachFailingOperationIsAnErrorAndLosesNothingWhereSyncIsPeriodic) {
  run_with(Trouble::fails_once, Durability::periodic, kStride);
}
TEST(Faults, AFullDiskStopsWritesUntilItHasRoomAgain) { run_with(Trouble::no_space, Durability::sync, kStride); }
TEST(Faults, APowerCutLosesNothingThatWasAcknowledged) { cut_power(Durability::sync, false, kStride); }
TEST(Faults, APowerCutThatKeepsSomeOfWhatWasNotSyncedLosesNothingThatWasAcknowledged) {
  cut_power(Durability::sync, true, kStride);
}
TEST(Faults, APowerCutLeavesAMomentOfThePastWhereSyncIsPeriodic) { cut_power(Durability::periodic, true, kStride); }

}  // namespace
}  // namespace sextant::store::faults
