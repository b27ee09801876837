//! Sixty-four racers over one Redis server, and over a cluster.

mod common;

use std::sync::Arc;

use common::block_on;
use oauth_testkit::races;
use oauth_testkit::servers::{Redis, RedisCluster};

fn race_over(url: &str) {
    let fresh = || Arc::new(block_on(common::fresh(url)).0);
    races::all(fresh, |task| block_on(task));
}

#[test]
fn races_over_redis_have_one_winner() {
    if let Some(redis) = Redis::shared() {
        race_over(redis.url());
    }
}

#[test]
fn races_over_a_redis_cluster_have_one_winner() {
    if let Some(cluster) = RedisCluster::shared() {
        race_over(&cluster.url());
    }
}
